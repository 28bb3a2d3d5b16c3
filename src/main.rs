//! The `sockjs-gateway` program; everything is in the library's `cli`.

fn main() -> std::process::ExitCode {
    sockjs_gateway::cli::main()
}
