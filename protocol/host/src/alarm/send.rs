//! One message on its way: HTTP POST (RFC 9112), SMTP to a relay (RFC 5321).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{AlarmSettings, Message};
use crate::Env;
use crate::env::BoxStream;
use crate::limits::ALARM_ANSWER;

/// How long a server may take over one message.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn send(
    env: &dyn Env,
    settings: &AlarmSettings,
    from: &str,
    message: &Message,
) -> io::Result<()> {
    let late = env.sleep_until(env.now() + PATIENCE);
    tokio::select! {
        sent = to_all(env, settings, from, message) => sent,
        () = late => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn to_all(
    env: &dyn Env,
    settings: &AlarmSettings,
    from: &str,
    message: &Message,
) -> io::Result<()> {
    if let Some((host, path)) = parts(&settings.webhook) {
        let stream = env.connect_stream(&host).await?;
        post(stream, &host, path, &message.json(from)).await?;
    }
    if !settings.to.is_empty() {
        let stream = env.connect_stream(&settings.smtp).await?;
        mail(stream, settings, &message.subject(from), &message.text).await?;
    }
    Ok(())
}

/// `HOST:PORT` and path of a URL.
pub(super) fn parts(url: &str) -> Option<(String, &str)> {
    let rest = url.strip_prefix("http://")?;
    if !rest.chars().all(|c| c.is_ascii_graphic()) {
        return None;
    }
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let full = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    (!host.is_empty()).then_some((full, path))
}

async fn post(mut stream: BoxStream, host: &str, path: &str, json: &str) -> io::Result<()> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{json}",
        json.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let line = answer(&mut stream).await?;
    let code = line.split(' ').nth(1).unwrap_or_default();
    match code.starts_with('2') {
        true => Ok(()),
        false => Err(io::Error::other(format!("the webhook answers {code}"))),
    }
}

async fn mail(
    mut stream: BoxStream,
    settings: &AlarmSettings,
    subject: &str,
    text: &str,
) -> io::Result<()> {
    expect(&mut stream, "220").await?;
    say(&mut stream, "EHLO karez", "250").await?;
    say(
        &mut stream,
        &format!("MAIL FROM:<{}>", settings.from),
        "250",
    )
    .await?;
    for to in &settings.to {
        say(&mut stream, &format!("RCPT TO:<{to}>"), "25").await?;
    }
    say(&mut stream, "DATA", "354").await?;
    let ascii = |c: char| if c.is_ascii() { c } else { '?' };
    let subject: String = subject.chars().map(ascii).collect();
    // A line that begins with a dot would end the mail.
    let text = text.replace(['\r', '\n'], " ");
    let body = format!(
        "From: <{}>\r\nTo: {}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n {text}\r\n.",
        settings.from,
        settings
            .to
            .iter()
            .map(|to| format!("<{to}>"))
            .collect::<Vec<_>>()
            .join(", "),
    );
    say(&mut stream, &body, "250").await?;
    say(&mut stream, "QUIT", "221").await
}

async fn say(stream: &mut BoxStream, what: &str, expected: &str) -> io::Result<()> {
    stream.write_all(format!("{what}\r\n").as_bytes()).await?;
    expect(stream, expected).await
}

/// Reads an answer of one or more lines.
async fn expect(stream: &mut BoxStream, expected: &str) -> io::Result<()> {
    loop {
        let line = answer(stream).await?;
        if !line.starts_with(expected) {
            return Err(io::Error::other(format!(
                "the mail relay answers {}",
                line.get(..3).unwrap_or_default()
            )));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

/// One line.
async fn answer(stream: &mut BoxStream) -> io::Result<String> {
    let mut line = Vec::new();
    while line.len() < ALARM_ANSWER {
        match stream.read_u8().await? {
            b'\n' => return Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            byte => line.push(byte),
        }
    }
    Err(io::Error::other("the answer is too long"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::RealEnv;

    /// Answers each line, or for mail after DATA the dot, with what `answers` says; what it heard.
    async fn server(
        listener: TcpListener,
        greeting: &str,
        answer: fn(&str) -> Option<&'static str>,
    ) -> Vec<String> {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream
            .get_mut()
            .write_all(greeting.as_bytes())
            .await
            .unwrap();
        let mut heard = Vec::new();
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap() > 0 {
            heard.push(line.trim_end().to_owned());
            if let Some(answer) = answer(line.trim_end()) {
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
            line.clear();
        }
        heard
    }

    /// Answers once a whole request has come; its lines.
    async fn web_server(listener: TcpListener, answer: &str) -> Vec<String> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"}") {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).await.unwrap();
            heard.extend_from_slice(&piece[..count]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        let heard = String::from_utf8(heard).unwrap();
        heard.lines().map(str::to_owned).collect()
    }

    fn message() -> Message {
        Message {
            text: "the disk is full".into(),
            over: false,
        }
    }

    #[tokio::test]
    async fn a_webhook_gets_json_and_an_error_is_told() {
        let env = RealEnv::new().unwrap();
        for (answer, works) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 500 No\r\n\r\n", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let webhook = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
            let settings = AlarmSettings {
                webhook,
                ..AlarmSettings::default()
            };
            let heard = tokio::spawn(web_server(listener, answer));
            assert_eq!(
                send(&env, &settings, "Dalbandin", &message()).await.is_ok(),
                works
            );
            let heard = heard.await.unwrap();
            assert_eq!(heard[0], "POST /hook?x=1 HTTP/1.1");
            let json: serde_json::Value = serde_json::from_str(heard.last().unwrap()).unwrap();
            assert_eq!(json["text"], "the disk is full");
        }
    }

    #[tokio::test]
    async fn a_mail_goes_through_a_relay() {
        let env = RealEnv::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = AlarmSettings {
            smtp: listener.local_addr().unwrap().to_string(),
            to: vec!["admin@example.org".into()],
            ..AlarmSettings::default()
        };
        let answers = |line: &str| match line {
            line if line.starts_with("EHLO") => Some("250-relay\r\n250 8BITMIME\r\n"),
            line if line.starts_with("MAIL") || line.starts_with("RCPT") || line == "." => {
                Some("250 ok\r\n")
            }
            "DATA" => Some("354 go on\r\n"),
            "QUIT" => Some("221 bye\r\n"),
            _ => None,
        };
        let heard = tokio::spawn(server(listener, "220 relay\r\n", answers));
        send(&env, &settings, "Dalbandin", &message())
            .await
            .unwrap();
        let heard = heard.await.unwrap();
        assert!(
            heard.contains(&"RCPT TO:<admin@example.org>".to_owned()),
            "{heard:?}"
        );
        assert!(heard.contains(&"Subject: Karez Dalbandin, alarm: the disk is full".to_owned()));
        assert!(heard.contains(&" the disk is full".to_owned()));
    }

    #[test]
    fn a_webhook_is_plain_http_with_a_host() {
        assert_eq!(parts("http://a/b"), Some(("a:80".to_owned(), "/b")));
        assert_eq!(parts("http://a:81"), Some(("a:81".to_owned(), "/")));
        for bad in ["https://a/b", "a/b", "http://", "http://a/b\r\nX: y"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
