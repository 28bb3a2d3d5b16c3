//! Certificates of clients as identities.

use rcgen::{CertificateParams, DnType, SanType, date_time_ymd};
use sockjs_gateway::auth::{Mtls, MtlsConfig, SubjectFrom};
use sockjs_gateway::{Authentication, ServerConfig, ServiceConfig};

use super::support::{
    Authority, Folder, Running, Signed, ask, connector, free_port, poll, serve_service,
    shake_hands, tls,
};

/// A server that asks for certificates of `people`, and takes what `from` says for the subject.
struct Site {
    _folder: Folder,
    authority: Authority,
    people: Authority,
    running: Running,
}

fn site(from: SubjectFrom, trusted: &[&str]) -> Site {
    let (folder, authority, people) = (Folder::new(), Authority::new(), Authority::new());
    let files = authority.sign(&["localhost"]).write(&folder, "own");
    let mut listener = free_port();
    let mut tls = tls(vec![files]);
    tls.client_ca = Some(folder.write("people.pem", &people.certificate.pem()));
    tls.client_optional = true;
    listener.tls = Some(tls);
    let mut config = MtlsConfig::default();
    config.subject_from = from;
    let fields = [("x-user", "sub"), ("x-names", "dns")];
    let fields = fields.map(|(name, claim)| (name.parse().unwrap(), claim.to_owned()));
    config.terms.upstream_fields = fields.to_vec();
    let mut service = ServiceConfig::new("/s");
    service.auth = Some(Authentication::new(Mtls::new(config)));
    let running = serve_service(
        service,
        listener,
        trusted,
        ServerConfig::default(),
        std::future::pending(),
    )
    .0;
    Site {
        _folder: folder,
        authority,
        people,
        running,
    }
}

impl Site {
    fn person(&self, name: &str) -> Signed {
        self.people.sign_with(
            &["a.example", "b.example"],
            |params: &mut CertificateParams| {
                params.distinguished_name.push(DnType::CommonName, name);
                let uri = format!("spiffe://example/{name}").try_into().unwrap();
                params.subject_alt_names.push(SanType::URI(uri));
                params.not_after = date_time_ymd(2200, 1, 1);
            },
        )
    }

    async fn poll(&self, session: &str, own: Option<&Signed>) -> String {
        let connector = connector(self.authority.der(), own);
        let stream = shake_hands(self.running.connect().await, &connector, "localhost");
        let mut stream = stream.await.unwrap();
        ask(&mut stream, &poll(session, "Connection: close\r\n"))
            .await
            .unwrap()
    }
}

/// The subject of the certificate is who opens sessions and uses them, and upstreams are told; without one nobody is let in.
#[tokio::test]
async fn certificate_is_the_identity() {
    let mut site = site(SubjectFrom::CommonName, &[]);
    let (alice, bob) = (site.person("alice"), site.person("bob"));
    let refused = site.poll("a", None).await;
    assert!(refused.contains("c[4401,\"Unauthorized\"]"), "{refused}");
    let opened = site.poll("a", Some(&alice)).await;
    assert!(opened.ends_with("o\n"), "{opened}");
    let told = site.running.told().await.unwrap();
    assert!(
        told.contains("alice [(\"x-user\", \"alice\"), (\"x-names\", \"a.example,b.example\")]"),
        "{told}"
    );
    for other in [None, Some(&bob)] {
        let answer = site.poll("a", other).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}

/// Alternative names can be the subject; a certificate without one of the kind is nobody's.
#[tokio::test]
async fn alternative_name_is_the_identity() {
    let mut with_uri = site(SubjectFrom::Uri, &[]);
    let alice = with_uri.person("alice");
    assert!(with_uri.poll("a", Some(&alice)).await.ends_with("o\n"));
    let told = with_uri.running.told().await.unwrap();
    assert!(told.contains("spiffe://example/alice"), "{told}");
    let with_email = site(SubjectFrom::Email, &[]);
    let alice = with_email.person("alice");
    let refused = with_email.poll("a", Some(&alice)).await;
    assert!(refused.contains("c[4401"), "{refused}");
}

/// The certificate of a trusted proxy says nothing of the browsers behind it.
#[tokio::test]
async fn certificate_of_a_trusted_proxy_is_nobody() {
    let site = site(SubjectFrom::CommonName, &["127.0.0.1"]);
    let proxy = site.person("proxy");
    let refused = site.poll("a", Some(&proxy)).await;
    assert!(refused.contains("c[4401"), "{refused}");
}
