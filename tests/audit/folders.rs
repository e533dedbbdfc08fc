//! Folders, and what is named: links, pipes, what the kernel makes up, what was changed since; and how what is found in them is
//! told.

use super::*;

/// A CA, its name and identifier with another key, and what both issue.
const CA: &str = r#"
for key in ca other leaf second; do openssl ecparam -genkey -name prime256v1 -noout -out $key.key; done
root() { # root FILE KEY SUBJECT: self-signed
    printf '[req]\ndistinguished_name=dn\n[dn]\n[own]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n' >cnf
    openssl req -config cnf -extensions own -new -x509 -key $2.key -subj "$3" -days 30 -out $1
}
twin() { # twin FILE OF KEY: the name and the identifier of that, another key
    id=$(openssl x509 -in $2 -noout -ext subjectKeyIdentifier | sed -n 2p | tr -d ' :')
    printf 'subjectKeyIdentifier=%s\nbasicConstraints=CA:TRUE\n' "$id" >twin.ext
    openssl req -new -key $3.key -subj "$(openssl x509 -in $2 -noout -subject -nameopt compat | cut -d= -f2-)" -out twin.csr
    openssl x509 -req -in twin.csr -signkey $3.key -days 30 -extfile twin.ext -out $1 2>/dev/null
}
issue() { # issue CERTIFICATE KEY SUBJECT OWN NUMBER FILE [EXTENSIONS] [DAYS]
    printf 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n%s\n' "${7-}" >ext
    openssl req -new -key $4.key -subj "$3" -out csr
    openssl x509 -req -in csr -CA $1 -CAkey $2.key -set_serial $5 -days ${8-20} -extfile ext -out $6 2>/dev/null
}
line() { # line STATE FILE SUBJECT: as openssl ca notes it
    until=$(date -u -d "$(openssl x509 -in $2 -noout -enddate | sed 's/.*=//')" +%y%m%d%H%M%SZ)
    revoked=''; [ $1 != R ] || revoked=261130214500Z
    printf '%s\t%s\t%s\t%s\tunknown\t%s\n' $1 $until "$revoked" "$(openssl x509 -in $2 -noout -serial | cut -d= -f2)" "$3"
}
root ca.pem ca /CN=CA; twin twin.pem ca.pem other
mkdir files; cp ca.pem files/
"#;

fn ca(commands: &str) -> Workshop {
    let workshop = Workshop::new();
    workshop.sh(&format!("{CA}{commands}"));
    workshop
}

fn files(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn human(workshop: &Workshop, words: &[&str]) -> String {
    let text = String::from_utf8(workshop.program(words).output().unwrap().stdout).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Serial numbers and days are the same in many a CA.
#[test]
fn what_another_ca_has_revoked_under_the_same_number_stays_bad() {
    let workshop = ca(r#"
        issue twin.pem other "/O=Example/CN=server one" leaf 1 files/01.pem
        mkdir files/elsewhere; line R files/01.pem /CN=somebody >files/elsewhere/index.txt
        line V files/01.pem /CN=third >>files/elsewhere/index.txt
    "#);
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!(
        (code, bad(&report), report["audit"]["revoked"].as_u64()),
        (1, files(&["files/01.pem"]), Some(0)),
        "{report}"
    );
    // What is noted there is in no file here.
    assert_eq!(report["audit"]["missing"].as_array().unwrap().len(), 1, "{report}");
    let csv =
        String::from_utf8(workshop.program(&["--format", "csv", "files"]).output().unwrap().stdout).unwrap();
    assert!(
        csv.lines().any(|line| line.starts_with("no-file,certificate,files/elsewhere/index.txt,")),
        "{csv}"
    );
    let workshop = ca(r#"
        issue twin.pem other "$(printf '/O=Ex\303\251mple/CN=server one')" leaf 1 files/01.pem
        line R files/01.pem "$(openssl x509 -in files/01.pem -noout -subject -nameopt compat | cut -d= -f2-)" >files/index.txt
    "#);
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, report["audit"]["revoked"].as_u64()), (0, Some(1)), "{report}");
    // It is not said that there is none.
    let text = human(&workshop, &["files"]);
    assert!(
        text.contains("1 is bad, and its CA has revoked it") && !text.contains("none was made"),
        "{text}"
    );
}

#[test]
fn links_and_pipes_that_are_named_are_followed() {
    let workshop = ca(
        "issue twin.pem other /CN=leaf leaf 1 bad.pem; ln -s bad.pem link; mkdir to; cp bad.pem to/; ln -s to folder; ln -s nowhere dangling",
    );
    let program = env!("CARGO_BIN_EXE_stalecard");
    for name in ["link", "folder"] {
        let (code, report) = workshop.audit(&["ca.pem", name]);
        assert_eq!(
            (code, report["audit"]["bad"].as_u64(), report["audit"]["links"].as_u64()),
            (1, Some(1), Some(0)),
            "{name}: {report}"
        );
    }
    // In a folder they are not.
    workshop.sh("cp bad.pem ca.pem to/; mkdir in; ln -s ../bad.pem in/");
    let (code, report) = workshop.audit(&["ca.pem", "in"]);
    assert_eq!((code, report["audit"]["links"].as_u64()), (0, Some(1)), "{report}");
    let bash = |words: &str| {
        Command::new("bash")
            .args(["-c", words])
            .current_dir(workshop.path())
            .env("HOME", workshop.path())
            .output()
    };
    for words in [
        format!("{program} audit --offline ca.pem <(cat bad.pem)"),
        format!("cat bad.pem | {program} audit --offline ca.pem /dev/stdin"),
        format!("{program} audit --offline ca.pem /dev/stdin <bad.pem"),
        format!("{program} audit --offline ca.pem /dev/fd/7 7<bad.pem"),
    ] {
        let output = bash(&words).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words}: {output:?}");
    }
    assert_eq!(workshop.audit(&["ca.pem", "/dev/null"]).0, 3);
    assert_eq!(workshop.audit(&["ca.pem", "dangling"]).0, 3);
}

/// Where to read is to act (zram's hot_add makes a device), or is without end.
#[test]
fn what_the_kernel_makes_up_is_not_read() {
    let workshop = ca("");
    let (code, report) = workshop.audit(&["/sys/class"]);
    assert_eq!((code, report["audit"]["files"].as_u64()), (3, Some(0)), "{report}");
    assert!(report["coverage"][0]["why"].as_str().unwrap().contains("sysfs"), "{report}");
    assert_eq!(workshop.audit(&["/proc/self/status"]).0, 3);
    // On the way through a folder they are left out, and that is told.
    workshop.sh("ln -s /proc/self files/made-up; ln -s /proc/sys files/more");
    let (code, report) = workshop.audit(&["--follow", "files"]);
    assert_eq!(
        (code, report["audit"]["kernels"].as_u64(), report["audit"]["files"].as_u64()),
        (0, Some(2), Some(1)),
        "{report}"
    );
    let text = human(&workshop, &["--follow", "files"]);
    assert!(text.contains("2 folders of proc, sysfs"), "{text}");
}

/// The walk leaves out what is mounted there, and nothing beside it.
#[test]
fn what_the_kernel_makes_up_ends_no_walk_of_one_file_system() {
    let workshop = ca(
        "mkdir -p in/a/made-up in/made-up in/z; for i in $(seq 20); do cp ca.pem in/$i; cp ca.pem in/z/$i; done",
    );
    let program = env!("CARGO_BIN_EXE_stalecard");
    for options in ["", "--one-file-system"] {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c"])
            .arg(format!(
                "mount --bind /proc in/a/made-up && mount --bind /sys in/made-up &&
                 exec {program} audit --offline --format json {options} in"
            ))
            .current_dir(workshop.path())
            .env("HOME", workshop.path())
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let told = |key: &str| report["audit"][key].as_u64();
        assert_eq!((told("files"), told("kernels")), (Some(40), Some(2)), "{options} {report}");
    }
}

#[test]
fn a_pipe_that_is_named_twice_is_read_once() {
    let workshop = ca("issue twin.pem other /CN=leaf leaf 1 bad.pem");
    let program = env!("CARGO_BIN_EXE_stalecard");
    let output = Command::new("sh")
        .args(["-c", &format!("cat bad.pem | {program} audit --offline --format json ca.pem - files -")])
        .current_dir(workshop.path())
        .env("HOME", workshop.path())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), report["audit"]["files"].as_u64()), (Some(1), Some(3)), "{report}");
}

#[test]
fn what_was_moved_here_is_new_though_it_keeps_its_time() {
    let workshop =
        ca("issue twin.pem other /CN=leaf leaf 1 bad.pem; touch -d '2020-01-01' bad.pem ca.pem files/ca.pem");
    let minute = || {
        workshop.sh("date -u +%Y-%m-%dT%H:%M:%SZ >now");
        String::from_utf8(workshop.read("now")).unwrap().trim().to_owned()
    };
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let begun = minute();
    let (code, report) = workshop.audit(&["--since", &begun, "files"]);
    assert_eq!((code, report["audit"]["older"].as_u64()), (0, Some(1)), "{report}");
    let text = human(&workshop, &["--since", &begun, "files"]);
    assert!(
        text.contains("was changed since the time") && !text.contains("Nothing in what was named is signed"),
        "{text}"
    );
    workshop.sh("cp -p bad.pem files/copied.pem; mv bad.pem files/moved.pem");
    let (code, report) = workshop.audit(&["--since", &begun, "files"]);
    assert_eq!((code, bad(&report)), (1, files(&["files/copied.pem", "files/moved.pem"])), "{report}");
    for future in ["2999-01-01", "2999-01-01T00:00:00Z"] {
        let output = workshop.program(&["--since", future, "files"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("future"));
    }
}

/// A bundle whose name comes first holds it, too.
#[test]
fn a_bad_one_is_named_by_its_own_file_and_by_all_others() {
    let workshop = ca(
        "issue twin.pem other /CN=leaf leaf 1 files/own.pem; cat ca.pem files/own.pem >files/a-bundle.pem; cp files/own.pem files/z.pem",
    );
    let (code, report) = workshop.audit(&["files"]);
    let item = &report["audit"]["items"][0];
    assert_eq!((code, item["file"].as_str()), (1, Some("files/own.pem")), "{report}");
    assert_eq!(item["also"], serde_json::json!(["files/z.pem", "files/a-bundle.pem"]), "{report}");
    let steps = report["audit"]["steps"].as_array().unwrap();
    let named = steps.iter().find(|step| step["kind"] == "certificate").unwrap();
    assert_eq!(named["files"].as_array().unwrap().len(), 3, "{report}");
    let csv =
        String::from_utf8(workshop.program(&["--format", "csv", "files"]).output().unwrap().stdout).unwrap();
    assert!(csv.contains("files/z.pem; files/a-bundle.pem"), "{csv}");
}

#[test]
fn only_a_sound_one_for_the_same_key_that_is_good_replaces_a_bad_one() {
    let replaced = |commands: &str| {
        let workshop = ca(&format!(
            "issue twin.pem other /CN=user leaf 16 files/bad.pem keyUsage=digitalSignature\n{commands}"
        ));
        let (code, report) = workshop.audit(&["files"]);
        assert_eq!(code, 1, "{report}");
        let items = report["audit"]["items"].as_array().unwrap();
        items.iter().find(|item| item["file"] == "files/bad.pem").unwrap()["replaced"].as_bool().unwrap()
    };
    let again = "issue ca.pem ca /CN=user leaf 17 files/good.pem keyUsage=digitalSignature";
    assert!(replaced(again));
    assert!(!replaced(&format!("{again}; line R files/good.pem /CN=user >files/index.txt")), "revoked");
    assert!(!replaced(&again.replace("leaf 17", "second 17")), "another key");
    assert!(!replaced(&format!("{again} -1")), "expired");
    let workshop = ca("issue twin.pem other /CN=Sub leaf 16 files/bad.pem basicConstraints=critical,CA:TRUE
                       issue ca.pem ca /CN=Sub second 17 files/good.pem basicConstraints=critical,CA:TRUE");
    let (_, report) = workshop.audit(&["files"]);
    assert_eq!(report["audit"]["items"][0]["replaced"], false, "{report}");
}

#[test]
fn the_root_comes_before_what_hangs_on_it_and_numbers_are_told_once() {
    let workshop = ca(r#"
        rm files/*
        # By name the other way round; each names its issuer's key, and the other one made it.
        root sub.pem leaf /CN=Sub; twin sub-twin.pem sub.pem other
        issue sub-twin.pem other /CN=deep second 3 files/a.pem basicConstraints=critical,CA:TRUE
        issue twin.pem other /CN=Sub leaf 2 files/b.pem basicConstraints=critical,CA:TRUE
        id=$(openssl x509 -in ca.pem -noout -ext subjectKeyIdentifier | sed -n 2p | tr -d ' ')
        printf 'basicConstraints=CA:TRUE
subjectKeyIdentifier=%s
2.5.29.35=DER:30168014%s
' "$id" "$(echo $id | tr -d :)" >own.ext
        openssl req -new -key ca.key -subj /CN=CA -out ca.csr
        openssl x509 -req -in ca.csr -CA twin.pem -CAkey other.key -set_serial 1 -days 9 -extfile own.ext -out files/c.pem 2>/dev/null
        "#);
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, report["audit"]["bad"].as_u64()), (1, Some(3)), "{report}");
    let steps = report["audit"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["kind"] == "ca-certificate").unwrap();
    assert_eq!(step["files"], serde_json::json!(["files/c.pem", "files/b.pem", "files/a.pem"]), "{report}");
    let text = human(&workshop, &["files"]);
    assert!(text.contains("bad 3 CA certificates"), "{text}");
    let (_, between) = text.split_once("made ").unwrap();
    assert!(!between.contains("between") || !text.contains("UTC and 2"), "{text}");
}
