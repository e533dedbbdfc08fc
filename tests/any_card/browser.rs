//! A real Firefox, headless, that is logged in to a card and shows its certificate to a server: it stays so, and goes on
//! signing, whatever is checked beside it.
//!
//! `make integrations` plays it (`firefox-esr` in Debian): it is ignored elsewhere. It is spoken to by Marionette, the
//! protocol of its own tests.

use super::beside::{user, when_held};
use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What the helper has Firefox do, and where it puts the answer.
const SCRIPT: &str = "STALECARD_TEST_SCRIPT";
const ANSWER: &str = "STALECARD_TEST_ANSWER";
const MARIONETTE: &str = "127.0.0.1:2828";

/// No question is asked but that for the PIN, and nothing is looked up in the network.
const PREFERENCES: &str = r#"user_pref("security.default_personal_cert", "Select Automatically");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("app.update.enabled", false);
"#;

/// The token of OpenSC's module.
const TOKEN: &str = r#"const modules = Cc["@mozilla.org/security/pkcs11moduledb;1"].getService(Ci.nsIPKCS11ModuleDB);
    const token = async () => {
        for (const module of await modules.listModules()) {
            if (module.name == "OpenSC") { return await module.slots[0].getToken(); }
        }
    };"#;

/// Loads the module as its settings do, types the PIN where it is asked for, and logs in.
fn log_in(module: &str, pin: &str) -> String {
    format!(
        r#"{TOKEN}
        await modules.addModule("OpenSC", "{module}", 0, 0);
        Services.obs.addObserver(window => {{
            window.Dialog.ui.password1Textbox.value = "{pin}";
            window.Dialog.ui.button0.click();
        }}, "common-dialog-loaded");
        const login = await token();
        await login.login(false);"#
    )
}

/// A new connection, for which the card has to sign.
const CONNECT: &str = r#"Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService)
        .setDisableAllSecurityChecksAndLetAttackersInterceptMyData(true);
    const asked = { credentials: "include", cache: "no-store", signal: AbortSignal.timeout(8000) };
    const answer = await fetch("https://127.0.0.1:4433/", asked);
    const text = await answer.text();
    return text.includes("Client certificate");"#;

struct Browser {
    host: Host,
    told: u32,
}

impl Browser {
    fn does(&mut self, script: &str) -> Value {
        self.told += 1;
        let answer = self.host.home().join(format!("answer-{}", self.told));
        let itself = std::env::current_exe().unwrap();
        let host = self.host.clone().env(SCRIPT, script).env(ANSWER, answer.to_str().unwrap());
        let words = [itself.to_str().unwrap(), "--exact", "browser::speak", "--ignored", "--nocapture"];
        let output = host.run(&words).ok();
        let text = std::fs::read(&answer).unwrap_or_else(|error| panic!("{error}: {output}"));
        serde_json::from_slice(&text).unwrap()
    }

    fn is_logged_in(&mut self) -> bool {
        self.does(&format!("{TOKEN} return (await token()).isLoggedIn;")) == Value::Bool(true)
    }

    /// It shows the card's certificate to the server, now.
    fn signs(&mut self, stand: &Stand) {
        let before = stand.card().stats().signatures;
        let end = Instant::now() + Duration::from_secs(60);
        // One that is only opened ahead keeps this simple server busy for a while.
        loop {
            let said = self.does(CONNECT);
            if said == Value::Bool(true) && stand.card().stats().signatures > before {
                return;
            }
            assert!(Instant::now() < end, "{said}");
        }
    }
}

#[test]
#[ignore = "a browser: make integrations"]
fn a_browser_that_is_logged_in_stays_so_and_goes_on_signing() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let Some(host) = user(&stand) else { panic!("this takes root, and the installed OpenSC") };
    host.caching("public");
    host.pkcs15_list();
    let profile = host.home().join("profile");
    let at = profile.to_str().unwrap();
    host.run(&["mkdir", at]).ok();
    std::fs::write(profile.join("user.js"), PREFERENCES).unwrap();
    let serve = "openssl req -x509 -newkey rsa:2048 -nodes -keyout s.key -out s.pem -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE && \
        exec openssl s_server -accept 4433 -cert s.pem -key s.key -Verify 1 -tls1_2 -no_ticket -no_cache -www";
    let server = host.spawn(&["sh", "-c", serve]);
    let words =
        ["firefox-esr", "--headless", "--marionette", "--remote-allow-system-access", "--profile", at];
    let mut firefox = host.spawn(&[&words[..], &["--no-remote"]].concat());
    let mut browser = Browser { host: host.clone().with_time_limit(Duration::from_secs(120)), told: 0 };
    let module = stand::opensc_module();
    // That it asks for the PIN ends the script that made it; what types it stays.
    browser.does(&log_in(module.to_str().unwrap(), host.pin()));
    let end = Instant::now() + Duration::from_secs(30);
    while !browser.is_logged_in() {
        assert!(Instant::now() < end);
    }
    browser.signs(&stand);
    // A card that is written anew behind its back has forgotten the login: OpenSC sends the PIN that it keeps.
    card.renew(1, 40);
    browser.signs(&stand);
    let typed = stand.card().stats().verify;

    // Not asked: not one command, and both ways on.
    let (output, report) = when_held(&host, &[]);
    let before = stand.card().stats().apdus;
    check(&host, &[]);
    assert_eq!(stand.card().stats().apdus, before);
    let told = gaps(&report).join("\n");
    assert_eq!(output.code(), 3, "{output}");
    assert!(told.contains("yours, has OpenSC loaded") && told.contains("--beside"), "{told}");
    browser.signs(&stand);

    // Asked beside it.
    let (output, report) = check(&host, &["--beside"]);
    assert_eq!(output.code(), 1, "{output}");
    assert!(convicted(&report).contains_key("stale-certificate"), "{output}");
    assert!(output.stderr.contains("beside firefox"), "{output}");
    browser.signs(&stand);
    assert!(browser.is_logged_in());
    assert_eq!(stand.card().stats().verify, typed, "the PIN was sent again");
    assert!(firefox.is_running());
    println!("browser: passed: {}", host.run(&["firefox-esr", "--version"]).stdout.trim());
    firefox.stop();
    server.stop();
}

/// Speaks to the browser, where it is.
#[test]
#[ignore = "the other process of a test"]
fn speak() {
    let (Some(script), Some(answer)) = (std::env::var_os(SCRIPT), std::env::var_os(ANSWER)) else { return };
    let end = Instant::now() + Duration::from_secs(60);
    let stream = loop {
        match TcpStream::connect(MARIONETTE) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let mut marionette = Marionette { stream, number: 0 };
    marionette.receive();
    let wanted = serde_json::json!({"capabilities": {"alwaysMatch": {"unhandledPromptBehavior": "ignore"}}});
    marionette.command("WebDriver:NewSession", &wanted);
    marionette.command("Marionette:SetContext", &serde_json::json!({"value": "chrome"}));
    let script = format!(
        "const done = arguments[0]; (async () => {{ {} }})().then(done, error => done(String(error)));",
        script.to_str().unwrap()
    );
    let said = marionette.command("WebDriver:ExecuteAsyncScript", &serde_json::json!({ "script": script }));
    marionette.command("WebDriver:DeleteSession", &serde_json::json!({}));
    std::fs::write(answer, said["value"].to_string()).unwrap();
}

/// Messages are JSON behind their length.
struct Marionette {
    stream: TcpStream,
    number: u32,
}

impl Marionette {
    fn receive(&mut self) -> Value {
        let mut length = String::new();
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            if byte == *b":" {
                break;
            }
            length.push(char::from(byte[0]));
        }
        let mut text = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn command(&mut self, name: &str, parameters: &Value) -> Value {
        self.number += 1;
        let text = serde_json::json!([0, self.number, name, parameters]).to_string();
        self.stream.write_all(format!("{}:{text}", text.len()).as_bytes()).unwrap();
        let answer = self.receive();
        assert!(answer[2].is_null(), "{name}: {}", answer[2]);
        answer[3].clone()
    }
}
