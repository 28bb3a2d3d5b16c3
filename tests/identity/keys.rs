//! Keys of every kind, made by OpenSSL, and what is not to be taken for another.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sockjs_gateway::auth::{KeyError, Keys};

use super::support::{REFUSED, claims, part, serve, signed_with};

/// A folder with keys, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("sockjs-gateway-keys-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    let run = command.args(arguments).current_dir(folder);
    let mut command = run.output().expect("openssl is there");
    assert!(
        command.status.success(),
        "{}",
        String::from_utf8_lossy(&command.stderr)
    );
    std::mem::take(&mut command.stdout)
}

/// A private key, and its public one as a JSON Web Key.
struct Pair {
    folder: Folder,
    public: Value,
}

impl Pair {
    fn new(options: &[&str]) -> Self {
        let folder = Folder::new();
        let arguments = [&["genpkey", "-out", "key.pem", "-algorithm"], options].concat();
        openssl(&folder.0, &arguments);
        let der = openssl(
            &folder.0,
            &["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"],
        );
        let point = |length: usize| {
            let point = &der[der.len() - 2 * length..];
            (part(&point[..length]), part(&point[length..]))
        };
        let public = match options {
            ["RSA", ..] => {
                let modulus = openssl(&folder.0, &["rsa", "-in", "key.pem", "-noout", "-modulus"]);
                let modulus = String::from_utf8(modulus).unwrap();
                let digits = modulus.trim().strip_prefix("Modulus=").unwrap();
                let bytes = (0..digits.len() / 2)
                    .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"));
                json!({ "kty": "RSA", "n": part(bytes.collect::<Vec<_>>()), "e": "AQAB" })
            }
            ["EC", _, "ec_paramgen_curve:P-256"] => {
                let (x, y) = point(32);
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
            ["EC", ..] => {
                let (x, y) = point(48);
                json!({ "kty": "EC", "crv": "P-384", "x": x, "y": y })
            }
            _ => json!({ "kty": "OKP", "crv": "Ed25519", "x": part(&der[der.len() - 32..]) }),
        };
        Self { folder, public }
    }

    /// A token of this algorithm.
    fn token(&self, algorithm: &str) -> String {
        let signed = format!(
            "{}.{}",
            part(format!(r#"{{"alg":"{algorithm}"}}"#)),
            part(claims("a").to_string())
        );
        let folder = &self.folder.0;
        std::fs::write(folder.join("signed"), &signed).unwrap();
        let hash = format!("-sha{}", algorithm.get(2..).unwrap_or_default());
        let pss = [
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:digest",
        ];
        let signature = match &algorithm[..2] {
            "RS" => openssl(folder, &["dgst", &hash, "-sign", "key.pem", "signed"]),
            "PS" => {
                let before = ["dgst", hash.as_str()];
                let arguments = [&before[..], &pss, &["-sign", "key.pem", "signed"]].concat();
                openssl(folder, &arguments)
            }
            "ES" => {
                let der = openssl(folder, &["dgst", &hash, "-sign", "key.pem", "signed"]);
                fixed(&der, if algorithm == "ES256" { 32 } else { 48 })
            }
            _ => openssl(
                folder,
                &[
                    "pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "signed",
                ],
            ),
        };
        format!("{signed}.{}", part(signature))
    }
}

/// Both numbers of an ECDSA signature, in a row. (RFC 7518 §3.4)
fn fixed(der: &[u8], length: usize) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut both = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[zeros..];
        both.extend(std::iter::repeat_n(0, length - number.len()));
        both.extend_from_slice(number);
        rest = after;
    }
    both
}

/// Each kind of key verifies its own algorithms, and none of another's.
#[tokio::test]
async fn keys_of_openssl_verify_their_algorithms() {
    let kinds: [(&[&str], &[&str]); 4] = [
        (
            &["RSA"],
            &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &["ES256"]),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], &["ES384"]),
        (&["ED25519"], &["EdDSA", "Ed25519"]),
    ];
    let pairs = kinds.map(|(options, algorithms)| (Pair::new(options), algorithms));
    for (at, (pair, algorithms)) in pairs.iter().enumerate() {
        let set = json!({ "keys": [pair.public] }).to_string();
        let running = serve(Keys::set(set.as_bytes()).unwrap(), |_, _| {});
        for algorithm in *algorithms {
            let token = pair.token(algorithm);
            let session = algorithm.to_lowercase();
            assert_eq!(running.poll(&session, &token).await.1, "o\n", "{algorithm}");
            // With the token that opened it, which is known again.
            assert_eq!(running.send(&session, &token).await, 204, "{algorithm}");
            let broken = format!("{}AAAA", &token[..token.len() - 4]);
            assert_eq!(
                running.poll("broken", &broken).await.1,
                REFUSED,
                "{algorithm}"
            );
        }
        let (other, algorithms) = &pairs[(at + 1) % pairs.len()];
        let token = other.token(algorithms[0]);
        assert_eq!(
            running.poll("other", &token).await.1,
            REFUSED,
            "{}",
            algorithms[0]
        );
    }
}

/// What verifies RS256 is public: HS256 with any form of it as the secret opens nothing. (RFC 8725 §2.1)
#[tokio::test]
async fn public_rsa_key_is_no_secret() {
    let pair = Pair::new(&["RSA"]);
    let set = json!({ "keys": [pair.public] }).to_string();
    let forms = [
        openssl(&pair.folder.0, &["pkey", "-in", "key.pem", "-pubout"]),
        openssl(
            &pair.folder.0,
            &["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"],
        ),
        set.clone().into_bytes(),
        pair.public.to_string().into_bytes(),
    ];
    let running = serve(Keys::set(set.as_bytes()).unwrap(), |_, _| {});
    for form in &forms {
        let token = signed_with(form, r#"{"alg":"HS256"}"#, &claims("a").to_string());
        assert_eq!(running.poll("a", &token).await.1, REFUSED);
    }
    for form in &forms {
        assert_eq!(Keys::secret(form), Err(KeyError::KeyAsSecret));
    }
}

/// Nor is a key or certificate of another kind, whatever its length, and whatever stands in front of it.
#[test]
fn keys_in_any_form_are_no_secrets() {
    for options in [
        &["RSA"][..],
        &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["ED25519"],
    ] {
        let folder = Pair::new(options).folder;
        let export =
            |more: &[&str]| openssl(&folder.0, &[&["pkey", "-in", "key.pem"], more].concat());
        let pem = export(&["-pubout"]);
        let lines = String::from_utf8(pem.clone()).unwrap();
        let bare = lines.lines().filter(|line| !line.starts_with('-'));
        for form in [
            [b"\xEF\xBB\xBF", &pem[..]].concat(),
            [b"the key of the login\n", &pem[..]].concat(),
            export(&["-pubout", "-outform", "DER"]),
            export(&["-outform", "DER"]),
            bare.collect::<Vec<_>>().join("\n").into_bytes(),
        ] {
            assert_eq!(
                Keys::secret(&form),
                Err(KeyError::KeyAsSecret),
                "{options:?}"
            );
        }
    }
    for secret in [
        &[0x30; 60][..],
        &[b'0'; 48],
        b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    ] {
        assert!(Keys::secret(secret).is_ok(), "{secret:?}");
    }
}

/// Keys that are too short, or are not for verifying, are left out; others of the set are used. (RFC 7517 §4.3, §5; RFC 7518 §3.3)
#[test]
fn keys_of_no_use_are_left_out() {
    let short = Pair::new(&["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]).public;
    let good = Pair::new(&["ED25519"]).public;
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let others = [
        short,
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("x", json!("AAAA")),
        with("x", json!(7)),
        json!({ "kid": "no kty" }),
        json!("no object"),
    ];
    for other in others {
        let alone = json!({ "keys": [other] }).to_string();
        assert_eq!(Keys::set(alone.as_bytes()), Err(KeyError::NoKey), "{other}");
        let both = json!({ "keys": [other, good] }).to_string();
        assert!(Keys::set(both.as_bytes()).is_ok(), "{other}");
    }
    let private = json!({ "keys": [good, with("d", json!("AAAA"))] }).to_string();
    assert_eq!(Keys::set(private.as_bytes()), Err(KeyError::PrivateInSet));
}
