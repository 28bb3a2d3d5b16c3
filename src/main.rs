//! The `sockjs-gateway` program; everything is in the library's `cli`.

/// glibc's keeps most of what a burst of sessions took.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    sockjs_gateway::cli::main()
}
