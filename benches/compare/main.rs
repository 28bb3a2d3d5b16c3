//! Compares the gateway with its peers.

mod floor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_default();
    floor::serve(address.parse()?, |address| println!("{address}"))?;
    Ok(())
}
