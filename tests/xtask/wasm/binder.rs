//! The part of wasm-bindgen's command line that we use: `binder --target web --out-dir DIR MODULE`.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [target, web, out_dir, folder, module] = args.as_slice() else { return ExitCode::from(2) };
    if [target.as_str(), web.as_str(), out_dir.as_str()] != ["--target", "web", "--out-dir"] {
        return ExitCode::from(2);
    }
    let mut bindgen = Bindgen::new();
    // With the default path, a page may call `init()` without an argument.
    let bound = bindgen.omit_default_module_path(false).typescript(true).input_path(module).web(true).and_then(|it| it.generate(folder));
    match bound {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{module}: {error:?}");
            ExitCode::FAILURE
        }
    }
}
