//! The `reelway` binary.

fn main() -> std::process::ExitCode {
    reelway::cli::main()
}
