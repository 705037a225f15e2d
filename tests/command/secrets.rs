//! A password wherever one can be: in no output, no saved plan and no record, however it is written
//! (rule 12).
#![allow(clippy::print_stdout, reason = "the counts are there to be read")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{folder, program, stack};

/// The password. Its parts need no escape in any of its forms but the last sign.
const CANARY: &str = "Kanarienvogel7%";

/// Every form in which it could come out.
fn forms() -> Vec<String> {
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url = CANARY.replace('%', "%25");
    // A part of a longer text may stand at any of three places in base64.
    let within = |lead: &str, skip: usize| {
        let text = STANDARD.encode(format!("{lead}{CANARY}"));
        text[skip..text.len() - 4].to_owned()
    };
    let base64 = [STANDARD.encode(CANARY), within("", 0), within("a", 2), within("aa", 3)];
    let mut forms = vec![CANARY.to_owned(), hex.to_uppercase(), hex, url, "Kanarienvogel".into()];
    forms.extend(base64);
    forms
}

/// Every text written below a folder, and what is kept in the sandbox.
fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("in-")) {
            let bytes = fs::read(&path).expect("a file");
            found.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

/// Runs every verb on a stack, in words and in JSON, and holds all that comes out against the forms.
/// Answers how many runs there were.
fn run_all(folder: &Path, stack: &str, kubeconfig: &Path, more: &[&str]) -> usize {
    let verbs: [&[&str]; 13] = [
        &["validate"],
        &["validate", "--json"],
        &["show"],
        &["show", "--json"],
        &["plan", "--full", "--out", "plan.json"],
        &["plan", "--json"],
        &["graph"],
        &["status"],
        &["status", "--json"],
        &["apply", "--auto-approve", "--json"],
        &["adopt", "--auto-approve", "--json"],
        &["unlock", "--auto-approve"],
        &["destroy", "--auto-approve"],
    ];
    for verb in verbs {
        let mut command = program(folder, verb);
        command.arg(stack).args(if verb[0] == "validate" { &[] } else { more });
        command.env("KUBECONFIG", kubeconfig).env("IOTDB_PASSWORD", CANARY);
        let output = command.output().expect("the program starts");
        let mut told = vec![
            ("standard output".to_owned(), String::from_utf8_lossy(&output.stdout).into_owned()),
            ("standard error".to_owned(), String::from_utf8_lossy(&output.stderr).into_owned()),
        ];
        files(folder, &mut told);
        for (place, text) in told {
            for form in forms() {
                assert!(!text.contains(&form), "{verb:?} shows {form} in {place}:\n{text}");
            }
        }
    }
    verbs.len()
}

/// Kubeconfigs with the password in each place that has one, whole and broken.
fn kubeconfigs(server: &str) -> Vec<(&'static str, String)> {
    let encoded = STANDARD.encode(CANARY);
    let user = |user: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: k, cluster: {{server: \"{server}\"}}}}]\n\
             contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n"
        )
    };
    let exec = |command: &str| {
        user(&format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
             command: {command}, args: [\"-c\", \"echo '{CANARY}' >&2; echo '{CANARY}'; exit 1\"], \
             env: [{{name: TOKEN, value: '{CANARY}'}}]}}"
        ))
    };
    let secret_in_url = server.replace("://", &format!("://ana:{CANARY}@"));
    let proxy = format!("cluster: {{proxy-url: \"http://ana:{CANARY}@127.0.0.1:1\", ");
    let broken_certificate =
        format!("client-certificate-data: {encoded}, client-key-data: {encoded}");
    vec![
        ("a token", user(&format!("token: '{CANARY}'"))),
        ("a token in another form", user(&format!("token: '{encoded}'"))),
        ("a name and a password", user(&format!("username: ana, password: '{CANARY}'"))),
        ("a certificate that is none", user(&broken_certificate)),
        (
            "a token file that is not there",
            user(&format!("tokenFile: /nowhere, token: '{CANARY}'")),
        ),
        ("a credential program that fails", exec("sh")),
        ("a credential program that is not there", exec("/nowhere/program")),
        ("YAML that is none", user(&format!("token: '{CANARY}'")) + ": : [\n"),
        ("a token of another type", user(&format!("token: ['{CANARY}']"))),
        ("an address with a password", user("token: x").replace(server, &secret_in_url)),
        ("a proxy with a password", user("token: x").replace("cluster: {", &proxy)),
    ]
}

/// A server that answers every request with this status and sentence.
fn server(status: u16) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 8192];
            let _ = stream.read(&mut request);
            let body = "{\"kind\":\"Status\",\"message\":\"no\",\"reason\":\"Forbidden\"}";
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

#[test]
fn a_password_in_a_kubeconfig_is_nowhere_to_be_seen() {
    let mut runs = 0;
    // A connection that is refused is tried again for a while: seldom is enough.
    let servers = [(server(403), 99), (server(401), 1), (server(404), 1)];
    for (address, most) in servers {
        let configs = kubeconfigs(&address);
        for (what, text) in configs.into_iter().take(most) {
            let folder = folder();
            let kubeconfig = folder.path().join("in-kubeconfig");
            fs::write(&kubeconfig, &text).expect("written");
            assert!(text.contains("Kanarien") || text.contains("S2FuYX"), "{what}");
            runs += run_all(folder.path(), &stack("iotdb-local"), &kubeconfig, &[]);
        }
    }
    println!("secrets: {runs} runs with a password in a kubeconfig, 0 shown");
}

#[test]
fn a_password_in_a_stack_is_nowhere_to_be_seen() {
    let whole = fs::read_to_string(stack("quickstart")).expect("a stack");
    let mut runs = 0;
    for slip in [
        format!("credentials = \"{CANARY}\""),
        format!("credentials = {{ secret = \"{CANARY}\" }}"),
        format!("credentials = {{ user = \"root\", password = \"{CANARY}\" }}"),
        format!("credentials = {{ secret = \"demo-root\", passwd = '{CANARY}' }}"),
        format!("credentials.password = \"{CANARY}\""),
        format!("credential = [\"root\", \"{CANARY}\"]"),
        format!("password = \"\"\"\n{CANARY}\n\"\"\""),
        format!("pwd = \"{CANARY}\""),
        format!("token = '''{CANARY}'''"),
        format!("secret = \"{CANARY}"),
    ] {
        let folder = folder();
        let text = whole.replacen("[cluster.demo]", &format!("[cluster.demo]\n{slip}"), 1);
        assert!(text.contains(CANARY));
        let path = folder.path().join("in-stack.toml");
        fs::write(&path, text).expect("written");
        let kubeconfig = folder.path().join("none");
        runs += run_all(folder.path(), "in-stack.toml", &kubeconfig, &[]);
    }
    println!("secrets: {runs} runs with a password in a stack, 0 shown");
}
