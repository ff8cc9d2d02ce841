//! Opens dumps in the terminal UI: `open [--vmlinux PATH] [--source DIR] [--editor COMMAND]
//! [--state DIR] [--ascii] [--mono|--light] [--mouse] DUMP...`

use std::process::ExitCode;

use virtopsy::{DumpSpec, Options};
use virtopsy_tui::{Settings, ThemeChoice, run};

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut settings = Settings::default();
    let mut dumps = Vec::new();
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--vmlinux") => options.kernel.vmlinux = args.next().map(Into::into),
            Some("--source") => settings.sources.extend(args.next().map(Into::into)),
            Some("--editor") => {
                settings.editor = args.next().map(|a| a.to_string_lossy().into_owned());
            }
            Some("--state") => settings.state_dir = args.next().map(Into::into),
            Some("--ascii") => settings.ascii = true,
            Some("--mono") => settings.theme = ThemeChoice::Mono,
            Some("--light") => settings.theme = ThemeChoice::Light,
            Some("--mouse") => settings.mouse = true,
            _ => dumps.push(DumpSpec {
                paths: vec![arg.into()],
            }),
        }
    }
    match run(dumps, options, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "{e}");
            ExitCode::FAILURE
        }
    }
}
