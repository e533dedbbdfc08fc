//! `config disable-cache` on a host that is laid out as RHEL and Fedora are: the library in `/usr/lib64`, with a
//! configuration path of its architecture compiled in, which is a link to `/etc/opensc.conf` (of old, the file itself); a
//! library of the other architecture beside it; an SELinux label on the file.
//!
//! The real OpenSC runs there: its library is given the other path (which has as many letters), in mounts of the test's
//! own over `/usr` and `/etc`. `STAND_ROOT` names the OpenSC of another suite, as everywhere.

use crate::stand;
use crate::stand::{Host, Output, PIN, SO_PIN, Stand};
use serde_json::Value;
use stalecard::opensc::Version;

const CONF: &str = "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = public;\n\t}\n\treader_driver pcsc {\n\t\t\
                    enable_pinpad = false;\n\t}\n}\n\napp pkcs15-init {\n\tframework pkcs15 {\n\t\tuse_file_caching = \
                    false;\n\t}\n}\n";
const LABEL: &str = "system_u:object_r:etc_t:s0";

/// Makes the layout: $1 a directory for what changes, $2 the program that is tested, $3 the root of another suite or
/// nothing, $4 `linked` or `old`, $5 the configuration; then the rest.
const LAYOUT: &str = r#"
set -eu
work=$1 program=$2 root=$3 layout=$4 conf=$5
mkdir -p "$work" "$root/etc"
mount -t tmpfs tmpfs "$work"
mkdir "$work/usr" "$work/usr.work" "$work/etc" "$work/etc.work"
mount -t overlay overlay -o "lowerdir=$root/usr,upperdir=$work/usr,workdir=$work/usr.work" "$root/usr"
mount -t overlay overlay -o "lowerdir=$root/etc,upperdir=$work/etc,workdir=$work/etc.work" "$root/etc"
libraries=$root/usr/lib/x86_64-linux-gnu
mkdir -p "$root/usr/lib64"
for library in "$libraries"/libopensc.so.*; do
    name=${library##*/}
    if [ -L "$library" ]; then
        ln -s "$(readlink "$library")" "$root/usr/lib64/$name"
    else
        sed 's#/etc/opensc/opensc\.conf#/etc/opensc-x86_64.conf#g' "$library" >"$root/usr/lib64/$name"
        sed 's#/etc/opensc/opensc\.conf#/etc/opensc-i386.conf\x00\x00#g' "$library" >"$root/usr/lib/$name"
    fi
done
cp "$libraries/opensc-pkcs11.so" "$root/usr/lib64/"
rm -r "$libraries"/*opensc* "$root/etc/opensc" 2>/dev/null || true
cp "$program" "$root/usr/bin/stalecard"
cd "$root/etc"
if [ "$layout" = linked ]; then
    printf '%s' "$conf" >opensc.conf
    ln -s opensc.conf opensc-x86_64.conf
    ln -s opensc.conf opensc-i386.conf
    real=opensc.conf
else
    printf '%s' "$conf" >opensc-x86_64.conf
    real=opensc-x86_64.conf
fi
chmod 644 "$real"
perl -e '$n = "security.selinux"; $v = "LABEL\0"; syscall(188, $ARGV[0], $n, $v, length $v, 0) == 0 or die $!' "$real"
inside() {
    if [ -n "$root" ]; then unshare --root="$root" --wd="$HOME" "$@"; else "$@"; fi
}
opensc() {
    echo "== $1"
    shift
    LD_LIBRARY_PATH=/usr/lib64 OPENSC_DEBUG=3 inside "$@" 2>&1 |
        grep -a -o -E "Used configuration file '[^']*'|use_file_cache=." | sort -u
}
stalecard() {
    echo "== stalecard $*"
    inside /usr/bin/stalecard "$@" || echo "exit $?"
}
unset OPENSC_CONF
opensc before pkcs15-tool -D
stalecard config disable-cache --format json
opensc after pkcs15-tool -D
opensc module pkcs11-tool --module /usr/lib64/opensc-pkcs11.so -O
echo "== links"
readlink opensc-x86_64.conf opensc-i386.conf || true
echo "== label"
perl -e '$n = "security.selinux"; $v = "\0" x 64; syscall(191, $ARGV[0], $n, $v, 64) > 0 or die $!; print $v =~ s/\0.*//sr, "\n"' "$real"
echo "== text"
cat "$real"
stalecard config disable-cache --format json
stalecard config lint --format json
stalecard undo --format json
echo "== restored"
cat "$real"
"#;

fn part<'a>(output: &'a Output, name: &str) -> Vec<&'a str> {
    output.stdout.split("== ").filter(|part| part.starts_with(name)).collect()
}

fn json(part: &str) -> Value {
    let text = part.split_once('\n').unwrap().1;
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {part}"))
}

/// Red Hat's file, for the OpenSC there: the older one switches caching on by a word that 0.23 does not know any more.
fn conf() -> String {
    let version: Version = stand::opensc().version.unwrap().parse().unwrap();
    CONF.replace("public", if version < Version::of(23) { "true" } else { "public" })
}

fn run(host: &Host, layout: &str, conf: &str) -> Output {
    let root = stand::opensc_root().map(|root| root.to_str().unwrap().to_owned()).unwrap_or_default();
    let work = host.home().join(format!("layout-{layout}"));
    let script = LAYOUT.replace("LABEL", LABEL);
    host.run(&[
        "unshare",
        "--mount",
        "sh",
        "-c",
        &script,
        "sh",
        work.to_str().unwrap(),
        env!("CARGO_BIN_EXE_stalecard"),
        &root,
        layout,
        conf,
    ])
}

#[test]
fn disable_cache_edits_what_both_architectures_read() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can mount over /usr and /etc");
    }
    let stand = Stand::start();
    let host = stand.host("rhel");
    host.run(&["sc-hsm-tool", "--initialize", "--label", "x", "--pin", PIN, "--so-pin", SO_PIN]).ok();
    for (layout, real) in [("linked", "/etc/opensc.conf"), ("old", "/etc/opensc-x86_64.conf")] {
        let conf = conf();
        let output = run(&host, layout, &conf).ok();
        let used = "Used configuration file '/etc/opensc-x86_64.conf'";
        assert_eq!(part(&output, "before"), [format!("before\n{used}\nuse_file_cache=1\n")], "{output}");
        assert_eq!(part(&output, "after"), [format!("after\n{used}\nuse_file_cache=0\n")], "{output}");
        assert_eq!(part(&output, "module"), [format!("module\n{used}\nuse_file_cache=0\n")], "{output}");

        let edits: Vec<Value> =
            part(&output, "stalecard config disable-cache").into_iter().map(json).collect();
        let [first, second] = edits.as_slice() else { panic!("{output}") };
        assert_eq!((&first["changed"], &first["edit"]["file"]), (&true.into(), &real.into()), "{first:#}");
        assert_eq!(first["edit"]["changes"].as_array().unwrap().len(), 1, "{first:#}");
        assert_eq!(second["changed"], false, "{second:#}");
        // The library of the other architecture reads the same file, or one that is not there.
        let notes = first["edit"]["notes"].to_string();
        assert_eq!(notes.contains("/etc/opensc-i386.conf; it was not edited"), layout == "old", "{notes}");

        let links = if layout == "linked" { "links\nopensc.conf\nopensc.conf\n" } else { "links\n" };
        assert_eq!(part(&output, "links"), [links], "{output}");
        assert_eq!(part(&output, "label"), [format!("label\n{LABEL}\n")], "{output}");
        assert_eq!(part(&output, "text"), [format!("text\n{}", CONF.replace("public", "no"))], "{output}");
        let lint = json(part(&output, "stalecard config lint")[0]);
        assert_eq!(lint["findings"], serde_json::json!([]), "{lint:#}");
        assert_eq!(json(part(&output, "stalecard undo")[0])["changed"], true, "{output}");
        assert_eq!(part(&output, "restored"), [format!("restored\n{conf}")], "{output}");
    }
}
