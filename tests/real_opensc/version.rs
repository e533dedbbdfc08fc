//! `--version -v` names the OpenSC that the tools load, and its module; `--version` alone says what it always said.

use serde_json::Value;

use crate::schema;
use crate::stand::{Stand, opensc_module};

#[test]
fn the_opensc_that_would_be_judged_is_the_one_whose_tools_run() {
    if std::env::var_os("STAND_ROOT").is_some() {
        return eprintln!("skipped: the program is the host's, the OpenSC another");
    }
    let stand = Stand::start();
    let host = stand.host("alpha");
    let told = host.run(&["opensc-tool", "-i"]).ok().stdout;
    let real = told.lines().next().unwrap().split_whitespace().nth(1).unwrap();

    let alone = format!("stalecard {}\n", env!("CARGO_PKG_VERSION"));
    for words in [&["--version"][..], &["-V"], &["-q", "--version"]] {
        assert_eq!(host.stalecard(words).ok().stdout, alone, "{words:?}");
    }
    let more = host.stalecard(&["--version", "-v"]).ok().stdout;
    for words in [&["-vV"][..], &["--verbose", "--version"], &["-V", "-v"]] {
        assert_eq!(host.stalecard(words).ok().stdout, more, "{words:?}");
    }
    assert!(more.starts_with(&alone), "{more}");
    let lines: Vec<&str> = more.lines().skip(1).collect();
    let named: Vec<&str> = lines.iter().map(|line| line.get(..17).unwrap().trim()).collect();
    assert_eq!(
        named.get(..5).unwrap(),
        ["commit", "features", "built for", "OpenSC", "PKCS#11 module"],
        "{more}"
    );
    assert!(lines[3].get(17..).unwrap().starts_with(&format!("{real} (/")), "{more}");

    let json = host.stalecard(&["--version", "--format", "json"]).ok().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    schema::is_output(&json);
    assert_eq!(json["command"], "version");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let about = &json["about"];
    assert_eq!(about["opensc"], real);
    // The very file that the tool maps: the linker tells.
    let library = std::path::Path::new(about["library"].as_str().unwrap());
    let tool = host.run(&["sh", "-c", "ldd \"$(command -v opensc-tool)\""]).ok().stdout;
    let linked = tool.lines().find_map(|line| line.trim().strip_prefix("libopensc.so.")).unwrap();
    let linked = linked.split_whitespace().find(|word| word.starts_with('/')).unwrap();
    assert_eq!(std::fs::canonicalize(linked).unwrap(), library);
    let module = std::path::Path::new(about["module"].as_str().unwrap());
    assert_eq!(std::fs::canonicalize(module).unwrap(), std::fs::canonicalize(opensc_module()).unwrap());
    assert_eq!(about["commit"], Value::Null, "whoever builds tests does not say");
    assert!(lines[0].contains("not known"), "{more}");
}
