//! Other implementations that read what we sign: dkimpy and opendkim, as Debian packages them (python3-dkim, opendkim). `cargo xtask test`
//! installs them; without them these tests fail.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Records of keys by their names.
pub(crate) type Records = BTreeMap<String, String>;

/// The Python that Debian's packages are for.
const PYTHON: &str = "/usr/bin/python3";

/// Takes the records in JSON and an expression, reads a message, and prints what the expression comes to.
const PROGRAM: &str = "import sys, json, dkim\n\
    keys = json.loads(sys.argv[1])\n\
    look = lambda name, timeout=5: keys.get(name.decode().rstrip('.'), '').encode()\n\
    message = sys.stdin.buffer.read()\n\
    print(eval(sys.argv[2]))\n";

/// What dkimpy finds of each signature, the topmost first.
pub(crate) fn dkimpy_signatures(records: &Records, message: &str) -> String {
    let each = "[dkim.DKIM(message).verify(idx=i, dnsfunc=look) for i in range(message.count(b'DKIM-Signature: '))]";
    dkimpy(each, records, message)
}

/// What dkimpy finds of the chain: its result, how many sets it has, and why.
pub(crate) fn dkimpy_chain(records: &Records, message: &str) -> String {
    let chain =
        "(lambda found: f'{found[0].decode()} {len(found[1])} {found[2]}')(dkim.arc_verify(message, dnsfunc=look))";
    dkimpy(chain, records, message)
}

fn dkimpy(expression: &str, records: &Records, message: &str) -> String {
    let records: Vec<String> = records.iter().map(|(name, record)| format!("{name:?}: {record:?}")).collect();
    let mut python = Command::new(PYTHON);
    python.args(["-c", PROGRAM, &format!("{{{}}}", records.join(", ")), expression]);
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "dkimpy failed: is the package python3-dkim there?");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What opendkim says of a message.
pub(crate) fn opendkim(records: &Records, message: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let dns: String = records.iter().map(|(name, record)| format!("{name} {record}\n")).collect();
    std::fs::write(path("dns"), dns).unwrap();
    std::fs::write(path("conf"), format!("Mode v\nTestDNSData file:{}\n", path("dns").display())).unwrap();
    std::fs::write(path("message"), message).unwrap();
    let mut opendkim = Command::new("opendkim");
    // Debian has it in /usr/sbin, which is not everybody's path.
    let path_of = std::env::var("PATH").unwrap_or_default();
    opendkim.env("PATH", format!("{path_of}:/usr/sbin")).arg("-x").arg(path("conf")).arg("-t").arg(path("message"));
    let output = opendkim.output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}
