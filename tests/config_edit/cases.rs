//! Texts and the edits they get, byte for byte; and every trap among the fixtures.

use std::path::Path;

use stalecard::opensc::{Caching, Program, Version};
use stalecard::repair::config::{Error, Goal, Note, Refusal, Scope};
use stalecard::snapshot::ByteString;

use crate::meaning::{INSTALLED, caching, difference, is_off, planned, planned_for};

fn off(text: &str) -> String {
    let planned = planned(text.as_bytes(), Goal::Off, &Scope::All).unwrap_or_else(|e| panic!("{e}\n{text}"));
    is_off(&planned.new);
    let again = self::planned(&planned.new, Goal::Off, &Scope::All).unwrap();
    assert!(again.edits.is_empty(), "the second run changes {text}");
    String::from_utf8(planned.new).unwrap()
}

fn framework(inside: &str) -> String {
    format!("app default {{\n  framework pkcs15 {{\n{inside}  }}\n}}\n")
}

#[test]
fn values() {
    for (old, new) in [
        ("    use_file_caching = yes;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching = true; # all\n", "    use_file_caching = no; # all\n"),
        ("    use_file_caching =\t public ;\n", "    use_file_caching =\t no ;\n"),
        ("    use_file_caching =yes;\n", "    use_file_caching =no;\n"),
        ("    use_file_caching = \"yes\";\n", "    use_file_caching = \"no\";\n"),
        ("    USE_FILE_CACHING = Yes\n", "    USE_FILE_CACHING = no\n"),
        ("    use_file_caching = yes, no;\n", "    use_file_caching = no, no;\n"),
        (
            "    use_file_caching = yes;\n    use_file_caching = no;\n",
            "    use_file_caching = no;\n    use_file_caching = no;\n",
        ),
        ("    use_file_caching = ;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching =;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching = @x@;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching=yes;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching= yes;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching yes;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching = \"yes;\n    debug = 1;\n", "    use_file_caching = no;\n    debug = 1;\n"),
        ("    use_file_caching = yes}\n", "    use_file_caching = no\n"),
        ("    use_file_caching = \"yes\"debug = 1;\n", "    use_file_caching = \"no\"debug = 1;\n"),
        ("    use_file_caching = yes\u{0}debug = 1;\n", "    use_file_caching = no debug = 1;\n"),
        // Off everywhere already.
        ("    use_file_caching = false;\n", "    use_file_caching = false;\n"),
        ("    use_file_caching = no;\n", "    use_file_caching = no;\n"),
        ("    use_file_caching = 1;\n", "    use_file_caching = 1;\n"),
        ("    use_file_caching = \"\";\n", "    use_file_caching = \"\";\n"),
    ] {
        assert_eq!(off(&framework(old)), framework(new), "{old}");
    }
}

#[test]
fn missing_settings() {
    for (old, new) in [
        ("", "    use_file_caching = no;\n"),
        ("      debug = 1;\n", "      use_file_caching = no;\n      debug = 1;\n"),
        // Below the example, with its indentation.
        (
            "    debug = 1;\n      # use_file_caching = true;\n    x = 1;\n",
            "    debug = 1;\n      # use_file_caching = true;\n      use_file_caching = no;\n    x = 1;\n",
        ),
        // Not where a comment stands in the middle of something.
        (
            "    debug = 1,\n    # use_file_caching = yes;\n    2;\n",
            "    use_file_caching = no;\n    debug = 1,\n    # use_file_caching = yes;\n    2;\n",
        ),
        (
            "    application x {\n      # use_file_caching = yes;\n    }\n",
            "    use_file_caching = no;\n    application x {\n      # use_file_caching = yes;\n    }\n",
        ),
        ("    use_file_caching yes\n no;\n", "    use_file_caching = no;\n    use_file_caching yes\n no;\n"),
    ] {
        if old.contains("yes\n no") || old.contains("1,\n    #") {
            // A third word without a comma, a value behind a comment: OpenSC drops such files.
            assert!(planned(framework(old).as_bytes(), Goal::Off, &Scope::All).is_err(), "{old}");
        } else {
            assert_eq!(off(&framework(old)), framework(new), "{old}");
        }
    }
}

#[test]
fn missing_blocks() {
    for (old, new) in [
        ("", "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n"),
        ("# nothing", "# nothing\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n"),
        ("app default {}", "app default { framework pkcs15 { use_file_caching = no; } }"),
        ("app default {", "app default { framework pkcs15 { use_file_caching = no; }"),
        ("app default { # all", "app default { framework pkcs15 { use_file_caching = no; } # all"),
        (
            "app default { # all\n}",
            "app default { # all\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}",
        ),
        (
            "app default { debug = 1; }\n",
            "app default { framework pkcs15 { use_file_caching = no; } debug = 1; }\n",
        ),
        (
            "app default { framework pkcs15 { } }\n",
            "app default { framework pkcs15 { use_file_caching = no; } }\n",
        ),
        ("app default { framework pkcs15 {}}", "app default { framework pkcs15 { use_file_caching = no; }}"),
        (
            "app default {\r\n    debug = 1;\r\n}\r\n",
            "app default {\r\n    framework pkcs15 {\r\n        use_file_caching = no;\r\n    }\r\n    debug = 1;\r\n}\r\n",
        ),
        (
            "app pkcs15-tool {\n  framework pkcs15 {\n    use_file_caching = yes;",
            "app pkcs15-tool {\n  framework pkcs15 {\n    use_file_caching = no;\n  }\n}\napp default {\n  framework pkcs15 {\n    use_file_caching = no;\n  }\n}\n",
        ),
        (
            "app pkcs15-tool {\n  framework pkcs15 {\n    use_file_caching = yes",
            "app pkcs15-tool {\n  framework pkcs15 {\n    use_file_caching = no;\n  }\n}\napp default {\n  framework pkcs15 {\n    use_file_caching = no;\n  }\n}\n",
        ),
        (
            "debug = 1 # c",
            "debug = 1; # c\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
        ),
        (
            "app eidenv {\n\tdebug =",
            "app eidenv {\n\tdebug =;\n}\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
        ),
        // Nobody looks for these: what is written there would do nothing.
        (
            "app firefox { framework pkcs15 { use_file_caching = yes; } }\napp pkcs11-tool { framework pkcs15 { } }\n",
            "app firefox { framework pkcs15 { use_file_caching = yes; } }\napp pkcs11-tool { framework pkcs15 { } }\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
        ),
        (
            "debug = 1; app x {\n",
            "debug = 1; app x {\n}\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
        ),
        ("\";", "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n\";"),
        (
            "include \"x\"",
            "include \"x\";\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
        ),
        (
            "\u{feff}app default { framework pkcs15 { use_file_caching = yes; } }\n",
            "\u{feff}app default { framework pkcs15 { use_file_caching = yes; } }\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
        ),
        // `app other` is for other alone; there is no `app default`.
        (
            "app other, default { framework pkcs15 { use_file_caching = yes; } }\n",
            "app other, default { framework pkcs15 { use_file_caching = yes; } }\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
        ),
        (
            "framework pkcs15 { use_file_caching = yes; }\n",
            "framework pkcs15 { use_file_caching = yes; }\napp default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
        ),
    ] {
        assert_eq!(off(old), new, "{old}");
    }
    let absent = planned_for(Some(INSTALLED), None, Goal::Off, &Scope::All).unwrap();
    assert_eq!(absent.new, off("").into_bytes());
}

#[test]
fn only_the_first_of_each_block_and_each_app_that_can_win() {
    let old = "app default { framework pkcs15 { use_file_caching = yes; } framework pkcs15 { use_file_caching = yes; } }\n\
               app DEFAULT { framework pkcs15 { use_file_caching = yes; } }\n\
               app opensc-pkcs11 { framework pkcs15 { use_file_caching = public; } }\n\
               app pkcs15-init { framework pkcs15 { use_file_caching = false; } }\n\
               app /usr/bin/pkcs15-tool { framework pkcs15 { file_cache_dir = /c; } }\n\
               app /usr/bin/firefox { framework pkcs15 { use_file_caching = true; } }\n\
               app eidenv { debug = 1; }\n";
    let new = "app default { framework pkcs15 { use_file_caching = no; } framework pkcs15 { use_file_caching = yes; } }\n\
               app DEFAULT { framework pkcs15 { use_file_caching = yes; } }\n\
               app opensc-pkcs11 { framework pkcs15 { use_file_caching = no; } }\n\
               app pkcs15-init { framework pkcs15 { use_file_caching = false; } }\n\
               app /usr/bin/pkcs15-tool { framework pkcs15 { use_file_caching = no; file_cache_dir = /c; } }\n\
               app /usr/bin/firefox { framework pkcs15 { use_file_caching = no; } }\n\
               app eidenv { debug = 1; }\n";
    assert_eq!(off(old), new);
}

const SHADOWED: &str = "app default {\n  framework pkcs15 {\n    use_file_caching = yes;\n    file_cache_dir = \"/var/c d\";\n    \
                        application A0 { type = generic, x; }\n    # the end\n  }\n}\n";

#[test]
fn a_new_block_carries_along_what_it_hides() {
    let app = Scope::App("opensc-pkcs11".into());
    let planned = planned(SHADOWED.as_bytes(), Goal::Off, &app).unwrap();
    let added = "app opensc-pkcs11 {\n  framework pkcs15 {\n    use_file_caching = no;\n    file_cache_dir = \"/var/c d\";\n    \
                 application A0 {\n      type = generic, x;\n    }\n  }\n}\n";
    assert_eq!(String::from_utf8(planned.new.clone()).unwrap(), format!("{SHADOWED}{added}"));
    let carried = Note::CarriedAlong { settings: 2, from: "default".into() };
    assert!(planned.notes.contains(&carried), "{:?}", planned.notes);
    for version in (19..=27).map(Version::of) {
        let exe = Some(ByteString::from("/x"));
        assert_eq!(caching(&planned.new, &Program::pkcs11(exe.clone()), version, "sc-hsm"), Caching::No);
        assert_eq!(caching(&planned.new, &Program::pkcs15_tool(exe), version, "sc-hsm"), Caching::All);
    }
    // It has a block, but without `framework`.
    let old = format!("app opensc-pkcs11 {{ debug = 1; }}\n{SHADOWED}");
    let planned = self::planned(old.as_bytes(), Goal::Off, &app).unwrap();
    let (gone, came) = difference(old.as_bytes(), &planned.new);
    assert_eq!(gone, ["app opensc-pkcs11 { debug = 1; }"]);
    assert_eq!(
        came,
        ["app opensc-pkcs11 { framework pkcs15 { use_file_caching = no; file_cache_dir = \"/var/c d\"; \
          application A0 { type = generic, x; } } debug = 1; }"]
    );
    // Nothing to do where the default is right already.
    let right = SHADOWED.replace("yes", "no");
    assert!(self::planned(right.as_bytes(), Goal::Off, &app).unwrap().edits.is_empty());
    // A key that is lost cannot be carried along.
    let lost = SHADOWED.replace("# the end", "application # x\n A1 { }");
    assert!(matches!(self::planned(lost.as_bytes(), Goal::Off, &app), Err(Refusal::LostKey { .. })));
}

#[test]
fn one_program_with_all_its_blocks() {
    let old = "app default { framework pkcs15 { use_file_caching = no; } }\n\
               app pkcs15-tool { framework pkcs15 { use_file_caching = yes; } }\n\
               app /usr/bin/pkcs15-tool { framework pkcs15 { use_file_caching = yes; } }\n\
               app /usr/bin/firefox { framework pkcs15 { use_file_caching = yes; } }\n";
    let new = |app: &str| {
        let planned = planned(old.as_bytes(), Goal::Off, &Scope::App(app.into())).unwrap();
        difference(old.as_bytes(), &planned.new).0
    };
    let lines: Vec<&str> = old.lines().collect();
    assert_eq!(new("pkcs15-tool"), lines[1..3]);
    assert_eq!(new("PKCS15-TOOL"), lines[1..3]);
    // An executable that is no tool of OpenSC loads the module.
    assert_eq!(new("opensc-pkcs11"), lines[3..]);
    assert_eq!(new("opensc-tool"), [""; 0]);
}

#[test]
fn executables() {
    let exe = Scope::Exe("/usr/lib/fire fox".into());
    let at = |version| planned_for(Some(Version::of(version)), Some(SHADOWED.as_bytes()), Goal::Off, &exe);
    assert!(matches!(at(23), Err(Refusal::NoExecutableBlocks(_))));
    let planned = at(24).unwrap();
    assert!(planned.notes.contains(&Note::ExecutablesAreNew));
    let text = String::from_utf8(planned.new.clone()).unwrap();
    assert!(text.contains(
        "app \"/usr/lib/fire fox\" {\n  framework pkcs15 {\n    use_file_caching = no;\n    file_cache_dir"
    ));
    let own = Program::pkcs11(Some("/usr/lib/fire fox".into()));
    assert_eq!(caching(&planned.new, &own, Version::of(24), "cac"), Caching::No);
    assert_eq!(caching(&planned.new, &own, Version::of(23), "cac"), Caching::All);
    assert_eq!(
        caching(&planned.new, &Program::pkcs11(Some("/x".into())), Version::of(24), "cac"),
        Caching::All
    );
    for bad in [
        Scope::Exe("/a\"b".into()),
        Scope::Exe("x".into()),
        Scope::App(String::new()),
        Scope::App("/x".into()),
    ] {
        let refused = planned_for(Some(Version::of(27)), Some(b""), Goal::Off, &bad);
        assert!(matches!(refused, Err(Refusal::BadBlockName(_))), "{bad:?}");
    }
}

#[test]
fn switching_on() {
    let text = "app default { framework pkcs15 { use_file_caching = true; } }\napp pkcs15-init { framework pkcs15 { use_file_caching = false; } }\n";
    let public = planned(text.as_bytes(), Goal::Public, &Scope::All).unwrap();
    assert_eq!(
        String::from_utf8(public.new.clone()).unwrap(),
        text.replace("true", "public"),
        "what keeps pkcs15-init from caching stays"
    );
    assert!(public.notes.contains(&Note::PublicIsNew));
    assert!(public.notes.contains(&Note::Guarded(vec!["pkcs15-init".into()])), "{:?}", public.notes);
    let own = planned(text.as_bytes(), Goal::Public, &Scope::App("pkcs15-init".into())).unwrap();
    assert_eq!(String::from_utf8(own.new).unwrap(), text.replace("false", "public"));
    let bare =
        planned(b"app default { framework pkcs15 { use_file_caching = yes; } }", Goal::Public, &Scope::All)
            .unwrap();
    assert!(
        bare.notes.contains(&Note::WriterCaches) && bare.notes.contains(&Note::YesReplaced),
        "{:?}",
        bare.notes
    );
    let old = planned_for(Some(Version::of(22)), Some(text.as_bytes()), Goal::Public, &Scope::All);
    assert!(matches!(old, Err(Refusal::NoPublic(_))));
    let yes = planned_for(Some(Version::of(22)), Some(text.as_bytes()), Goal::Yes, &Scope::All).unwrap();
    assert!(yes.notes.contains(&Note::YesStoresPrivate));
    for version in (19..=27).map(Version::of) {
        let tool = Program::pkcs15_tool(Some("/x".into()));
        assert_eq!(caching(&yes.new, &tool, version, "sc-hsm"), Caching::All);
        let expected = if version < Version::of(23) { Caching::No } else { Caching::Public };
        assert_eq!(caching(&public.new, &tool, version, "cac"), expected);
    }
    // There and back: nothing else has changed.
    let back = planned(&public.new, Goal::Off, &Scope::All).unwrap();
    assert_eq!(String::from_utf8(back.new).unwrap(), text.replace("true", "no"));
    // Without a known version everything has to come right.
    assert!(planned_for(None, Some(b""), Goal::Off, &Scope::All).is_ok());
    let deep = "app default {\n".repeat(17);
    assert!(planned_for(None, Some(deep.as_bytes()), Goal::Off, &Scope::All).is_err());
    let new = planned_for(Some(Version::of(22)), Some(deep.as_bytes()), Goal::Off, &Scope::All).unwrap();
    assert!(
        new.notes.iter().any(|note| matches!(note, Note::NotIn { versions, .. } if versions.len() == 4)),
        "{:?}",
        new.notes
    );
}

#[test]
fn an_edit_for_other_versions_says_so() {
    let notes = |text: &str| planned(text.as_bytes(), Goal::Off, &Scope::All).unwrap().notes;
    let until_022: Vec<Version> = (19..=22).map(Version::of).collect();
    assert_eq!(notes(&framework("    use_file_caching = true;\n")), [Note::OnlyElsewhere(until_022)]);
    let from_024: Vec<Version> = (24..=27).map(Version::of).collect();
    assert_eq!(notes(""), [Note::OnlyElsewhere(from_024)]);
    assert_eq!(notes(&framework("    use_file_caching = yes;\n")), []);
    assert_eq!(notes(&framework("    use_file_caching = no;\n")), []);
}

/// What `disable-cache` does to each fixture: the lines that go and come, or why it does nothing.
#[test]
fn every_trap_is_disarmed_or_named() {
    let mut disarmed = 0;
    let mut files: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let old = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let result = planned(&old, Goal::Off, &Scope::All);
        match name {
            "brace-without-key"
            | "c-comment"
            | "closed-once-too-often"
            | "comma-for-semicolon"
            | "comment-before-value"
            | "comment-before-setting"
            | "comment-behind-brace"
            | "comment-behind-setting"
            | "comment-behind-value"
            | "comment-of-several-lines"
            | "comment-of-ini"
            | "comment-of-sql"
            | "conflict"
            | "empty-line-before-value"
            | "glued-block"
            | "ini"
            | "json"
            | "names-without-comma"
            | "no-break-space-before-brace"
            | "operator-of-make"
            | "seventeen-blocks"
            | "slash-comment"
            | "slash-comment-with-setting"
            | "template-jinja"
            | "two-equals"
            | "xml"
            | "yaml" => {
                let error = result.unwrap_err();
                assert!(matches!(error, Refusal::Unparsable { .. }), "{name}: {error}");
            }
            "comment-before-brace"
            | "comment-before-equals"
            | "comment-before-name"
            | "empty-line-before-brace"
            | "empty-line-before-equals"
            | "empty-line-before-name"
            | "trap-in-foreign-app" => {
                let error = result.unwrap_err();
                assert!(matches!(error, Refusal::Crashes(_)), "{name}: {error}");
            }
            _ => {
                let planned = result.unwrap_or_else(|error| panic!("{name}: {error}"));
                is_off(&planned.new);
                let (gone, came) = difference(&old, &planned.new);
                let intended = |line: &String| {
                    let block = ["app default {", "framework pkcs15 {", "}"].contains(&line.as_str());
                    // Behind the end of the file something was missing.
                    let ended = came.contains(&format!("{line};"))
                        || gone.iter().any(|old| format!("{old};") == *line);
                    block || ended || line.to_ascii_lowercase().contains("caching")
                };
                assert!(
                    gone.iter().chain(&came).filter(|line| !line.is_empty()).all(intended),
                    "{name}: {gone:?} {came:?}"
                );
                let blocks = if name == "guard-caches" { 2 } else { 1 };
                assert!(gone.len() <= blocks || name == "no-final-newline", "{name}: {gone:?}");
                assert!(
                    planned_for(Some(INSTALLED), Some(&planned.new), Goal::Off, &Scope::All)
                        .unwrap()
                        .edits
                        .is_empty()
                );
                disarmed += 1;
            }
        }
    }
    assert!(disarmed >= 40, "{disarmed}");
    println!("{disarmed} fixtures disarmed");
}

#[test]
fn a_broken_file_gets_its_place_and_its_cure() {
    let error =
        planned(b"app default{\n}\n", Goal::Off, &Scope::All).map_err(Error::from).unwrap_err().to_string();
    assert!(error.starts_with("/etc/opensc.conf:2:1: ") && error.contains("not `default{`"), "{error}");
    let error = planned(b"app default\n\n{\n}\n", Goal::Off, &Scope::All)
        .map_err(Error::from)
        .unwrap_err()
        .to_string();
    assert!(error.contains("/etc/opensc.conf:1:1") && error.contains("empty line at 2:1"), "{error}");
}
