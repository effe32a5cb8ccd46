//! The frame over a real listener, with a made-up daemon behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use karez_protocol::seal::DeskKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::RealEnv;

/// A daemon of 300 studies.
#[derive(Default)]
struct Made(Mutex<Vec<String>>);

impl Pages for Made {
    fn view(&self) -> BoxFuture<'_, Result<View, Failure>> {
        let row = |n: u64| Row {
            study: format!("{n:08x}"),
            what: vec![Say::Word(
                Word::ImagesOf,
                vec![Say::As("CT".into()), Say::number(412)],
            )],
            arrived: Some(1_790_000_000),
            lamps: vec![Lamp::Full, Lamp::Part(40), Lamp::Empty],
            left: Left::About(4000),
            actions: vec![
                Action::new(Verb::Urgent, format!("{n:08x}")),
                Action::new(Verb::Stat, format!("{n:08x}")),
                Action::new(Verb::Withdraw, format!("{n:08x}")),
            ],
            ..Row::default()
        };
        let need = Need {
            item: "a<b".into(),
            reason: Say::English("refused <script>".into()),
            owner: "hub".into(),
            advice: String::new(),
            actions: vec![Action::new(Verb::Discard, "x")],
        };
        let view = View {
            name: "Dalbandin".into(),
            needs: vec![need; 100],
            columns: [Word::Here, Word::AtHub, Word::InArchive]
                .map(Say::word)
                .to_vec(),
            studies: (0..300).map(row).collect(),
            ..View::default()
        };
        Box::pin(async { Ok(view) })
    }

    fn act(&self, act: Act) -> BoxFuture<'_, Result<(), Failure>> {
        self.audit("", act.verb.name(), &act.item);
        Box::pin(async { Ok(()) })
    }

    fn names<'a>(
        &'a self,
        _: &'a DeskKey,
        user: &'a str,
        first: bool,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, Failure>> {
        if first {
            self.audit(user, "names", "");
        }
        let name = ("00000000".to_owned(), "BIBI^AMNA".to_owned());
        Box::pin(async { Ok(BTreeMap::from([name])) })
    }

    fn metrics(&self) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async { Ok("karez_parked 0\n".to_owned()) })
    }

    fn audit(&self, user: &str, what: &str, item: &str) {
        let line = format!("{user} {what} {item}");
        self.0.lock().unwrap().push(line);
    }
}

/// A running page.
struct Shown {
    at: SocketAddr,
    made: Arc<Made>,
    _dir: tempfile::TempDir,
}

impl Shown {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env: Arc<dyn Env> = Arc::new(RealEnv::new().unwrap());
        let users = Users::of(env.disk(), dir.path());
        users
            .add(("amna", Role::Technician), "chagai-2026", None, [1; 48])
            .unwrap();
        users
            .add(("bilal", Role::Admin), "quetta-2026", None, [2; 48])
            .unwrap();
        let made = Arc::new(Made::default());
        let site = Site::new(env.clone(), made.clone(), users, Language::En, true);
        let listener = env
            .listen_stream("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let at = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::new();
        tokio::spawn(async move {
            let _kept = trigger;
            http::serve(Arc::new(site), listener, shutdown).await;
        });
        Self {
            at,
            made,
            _dir: dir,
        }
    }

    /// Status line, headers and body.
    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.at).await.unwrap();
        let length = body.len();
        let own = format!("Host: {}\r\n", self.at);
        let host = if headers.starts_with("Host:") {
            ""
        } else {
            &own
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n{headers}\r\n{body}",
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Logs in; the header that brings the session back.
    async fn log_in(&self, name: &str, password: &str) -> String {
        let body = format!("name={name}&password={password}");
        let answer = self.ask("POST", "/login", "", &body).await;
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let cookie = answer
            .lines()
            .find_map(|l| l.strip_prefix("set-cookie: "))
            .unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
        format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
    }
}

fn csrf(page: &str) -> &str {
    let at = page.find("name=\"csrf\" value=\"").unwrap() + 19;
    &page[at..at + 64]
}

#[tokio::test]
async fn a_full_page_is_small_says_what_it_may_load_and_escapes_what_it_shows() {
    let shown = Shown::new().await;
    let cookie = shown.log_in("amna", "chagai-2026").await;
    for headers in [cookie.clone(), format!("{cookie}Accept-Language: ur\r\n")] {
        let page = shown.ask("GET", "/", &headers, "").await;
        assert!(page.len() < 100_000, "{} bytes", page.len());
        assert!(page.contains("default-src 'none'") && page.contains("nosniff"));
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"));
        assert!(
            !page.contains("http://") && !page.contains("https://") && !page.contains(" style=")
        );
    }
    let urdu = shown.ask("GET", "/", "Accept-Language: ur\r\n", "").await;
    assert!(urdu.contains("<html lang=\"ur\" dir=\"rtl\">"));
    assert!(
        urdu.contains("<span lang=\"en\" dir=\"ltr\">refused"),
        "English is marked"
    );
    let chosen = shown.ask("GET", "/", "Cookie: language=ur\r\n", "").await;
    assert!(chosen.contains("dir=\"rtl\""));
}

#[tokio::test]
async fn without_a_login_nothing_can_be_done_and_no_name_is_seen() {
    let shown = Shown::new().await;
    let page = shown.ask("GET", "/", "", "").await;
    assert!(page.contains("00000000") && !page.contains("BIBI") && !page.contains("/act"));
    let form = "csrf=&verb=urgent&item=00000000";
    let answer = shown.ask("POST", "/act", "", form).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let answer = shown.ask("GET", "/sure/withdraw/00000000", "", "").await;
    assert!(answer.contains("location: /login"));
    assert_eq!(*shown.made.0.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_form_counts_only_with_the_sessions_token_and_from_our_own_page() {
    let shown = Shown::new().await;
    let cookie = shown.log_in("amna", "chagai-2026").await;
    let page = shown.ask("GET", "/", &cookie, "").await;
    let form = format!("csrf={}&verb=urgent&item=00000001", csrf(&page));
    let wrong = "csrf=00&verb=urgent&item=00000001";
    let answer = shown.ask("POST", "/act", &cookie, wrong).await;
    assert!(answer.starts_with("HTTP/1.1 403"));
    let foreign = format!("{cookie}Origin: http://evil.example\r\n");
    let answer = shown.ask("POST", "/act", &foreign, &form).await;
    assert!(answer.starts_with("HTTP/1.1 403"));
    let answer = shown.ask("POST", "/act", &cookie, &form).await;
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let done = shown.made.0.lock().unwrap().clone();
    assert_eq!(
        done,
        ["amna login ", "amna urgent 00000001", " urgent 00000001"]
    );
    let page = shown.ask("GET", "/", &cookie, "").await;
    assert!(page.contains("Done: Make urgent"));
    let rebound = shown.ask("GET", "/", "Host: evil.example\r\n", "").await;
    assert!(!rebound.contains("Dalbandin"), "no other name leads here");
}

#[tokio::test]
async fn names_are_shown_to_who_asks_for_them_and_each_look_is_audited() {
    let shown = Shown::new().await;
    let cookie = shown.log_in("amna", "chagai-2026").await;
    let page = shown.ask("GET", "/", &cookie, "").await;
    assert!(!page.contains("BIBI"));
    let form = format!("csrf={}", csrf(&page));
    shown.ask("POST", "/names", &cookie, &form).await;
    assert!(
        shown
            .ask("GET", "/", &cookie, "")
            .await
            .contains("BIBI^AMNA")
    );
    assert!(
        shown
            .made
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|l| l == "amna names ")
    );
    shown.ask("POST", "/logout", &cookie, &form).await;
    assert!(!shown.ask("GET", "/", &cookie, "").await.contains("BIBI"));
}

#[tokio::test]
async fn a_technician_cannot_give_up_what_an_administrator_can() {
    let shown = Shown::new().await;
    for (name, password, may) in [
        ("amna", "chagai-2026", false),
        ("bilal", "quetta-2026", true),
    ] {
        let cookie = shown.log_in(name, password).await;
        let page = shown.ask("GET", "/", &cookie, "").await;
        assert_eq!(page.contains("/sure/discard/x"), may, "{name}");
        let form = format!("csrf={}&verb=discard&item=x&reason=test", csrf(&page));
        shown.ask("POST", "/act", &cookie, &form).await;
        let done = shown
            .made
            .0
            .lock()
            .unwrap()
            .contains(&" discard x".to_owned());
        assert_eq!(done, may, "{name}");
    }
}

#[tokio::test]
async fn guessing_passwords_is_stopped() {
    let shown = Shown::new().await;
    for _ in 0..5 {
        let answer = shown
            .ask("POST", "/login", "", "name=amna&password=guess-guess")
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("wrong"),
            "{answer}"
        );
    }
    let answer = shown
        .ask("POST", "/login", "", "name=amna&password=chagai-2026")
        .await;
    assert!(answer.contains("Too many attempts"), "{answer}");
}

#[tokio::test]
async fn scripts_find_health_and_figures_and_the_live_page_is_told() {
    let shown = Shown::new().await;
    assert!(shown.ask("GET", "/health", "", "").await.ends_with("ok\n"));
    assert!(
        shown
            .ask("GET", "/metrics", "", "")
            .await
            .contains("karez_parked 0")
    );
    let mut stream = tokio::net::TcpStream::connect(shown.at).await.unwrap();
    let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", shown.at);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let mut piece = [0; 4096];
    while !heard.contains("data-live") {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut piece)).await;
        heard.push_str(&String::from_utf8_lossy(&piece[..read.unwrap().unwrap()]));
    }
    assert!(heard.contains("text/event-stream") && heard.contains("data:"));
}
