//! Keys that tokens are verified with, and the algorithms that each takes: the key decides, the token only chooses among those.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{hmac, signature};
use serde::Deserialize;

/// Keys that tokens are verified with.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    /// The one algorithm that it is for, when it says one.
    algorithm: Option<String>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Secret(Vec<u8>),
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// What is to be said of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    UnknownKey,
    SeveralKeys,
}

/// Keys cannot be used. `Display` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret of so many bytes.
    ShortSecret(usize),
    /// What was given as a secret is a key or certificate in a text form: who knows a public key could sign with it.
    KeyAsSecret,
    /// Not a JSON Web Key Set.
    NotASet(String),
    /// The set has a shared secret in it.
    SecretInSet,
    /// The set has a private key in it.
    PrivateInSet,
    /// No key of the set verifies signatures.
    NoKey,
    /// The set has more keys than this.
    TooMany(usize),
}

/// Bytes that a secret must have. (RFC 7518 §3.2)
const SHORTEST_SECRET: usize = 32;
/// Most keys of a set.
const MOST_KEYS: usize = 100;

#[derive(Deserialize)]
struct WrittenSet {
    keys: Vec<serde_json::Value>,
}

/// RFC 7517 §4, RFC 7518 §6, RFC 8037 §2
#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// A shared secret, for HS256, and HS384 and HS512 when it is as long as their hashes. (RFC 7518 §3.2)
    ///
    /// # Errors
    /// It has less than 32 bytes, or is a key or a certificate. (RFC 8725 §2.1)
    pub fn secret(secret: &[u8]) -> Result<Self, KeyError> {
        if is_key(secret) {
            return Err(KeyError::KeyAsSecret);
        }
        if secret.len() < SHORTEST_SECRET {
            return Err(KeyError::ShortSecret(secret.len()));
        }
        Ok(Self(vec![Key {
            id: None,
            algorithm: None,
            material: Material::Secret(secret.to_owned()),
        }]))
    }

    /// The public keys of a JSON Web Key Set: RSA, P-256, P-384 and Ed25519. Keys of other kinds are left out. (RFC 7517 §5)
    ///
    /// # Errors
    /// It is none, it has a shared secret in it, or no key that can be used.
    pub fn set(json: &[u8]) -> Result<Self, KeyError> {
        let set: WrittenSet =
            serde_json::from_slice(json).map_err(|error| KeyError::NotASet(error.to_string()))?;
        if set.keys.len() > MOST_KEYS {
            return Err(KeyError::TooMany(MOST_KEYS));
        }
        if set.keys.iter().any(|key| key["kty"] == "oct") {
            return Err(KeyError::SecretInSet);
        }
        if set.keys.iter().any(|key| key.get("d").is_some()) {
            return Err(KeyError::PrivateInSet);
        }
        // Keys that are not understood, or lack something, are ignored. (RFC 7517 §5)
        let written = set.keys.into_iter();
        let written = written.filter_map(|key| serde_json::from_value(key).ok());
        let keys: Vec<_> = written.filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(KeyError::NoKey);
        }
        Ok(Self(keys))
    }

    /// Whether these are public keys.
    pub(super) fn are_public(&self) -> bool {
        let is_secret = |key: &Key| matches!(key.material, Material::Secret(_));
        !self.0.iter().any(is_secret)
    }

    /// Whether `signature` is right, by the one key that `algorithm` and `id` point to.
    pub(super) fn verify(
        &self,
        algorithm: &str,
        id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Verdict {
        // A secret has no id: whatever a token calls it, there is only one.
        let is_meant = |key: &&Key| {
            key.takes(algorithm)
                && (matches!(key.material, Material::Secret(_))
                    || id.is_none()
                    || key.id.as_deref() == id)
        };
        let mut meant = self.0.iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(key), None) if key.verify(algorithm, signed, signature) => Verdict::Right,
            (Some(_), None) => Verdict::Wrong,
            (None, _) => Verdict::UnknownKey,
            // To try them all would be to work for whoever asks.
            (Some(_), Some(_)) => Verdict::SeveralKeys,
        }
    }
}

impl Key {
    fn read(key: WrittenKey) -> Option<Self> {
        if key.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let verifies = |operations: &Vec<String>| operations.iter().any(|one| one == "verify");
        if !key.key_ops.as_ref().is_none_or(verifies) {
            return None;
        }
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let point = |length: usize| {
            let (x, y) = (bytes(&key.x)?, bytes(&key.y)?);
            let is_whole = x.len() == length && y.len() == length;
            // Uncompressed. (SEC 1, §2.3.3)
            is_whole.then(|| [&[4][..], &x, &y].concat())
        };
        let material = match (key.kty.as_str(), key.crv.as_deref()) {
            ("RSA", _) => Material::Rsa {
                modulus: modulus(&bytes(&key.n)?)?,
                exponent: without_zeros(&bytes(&key.e)?),
            },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(&key.x).filter(|x| x.len() == 32)?),
            _ => return None,
        };
        Some(Self {
            id: key.kid,
            algorithm: key.alg,
            material,
        })
    }

    /// Whether a token of this algorithm can be verified with it.
    fn takes(&self, algorithm: &str) -> bool {
        let fits = match &self.material {
            Material::Secret(secret) => match algorithm {
                "HS256" => true,
                "HS384" => secret.len() >= 48,
                "HS512" => secret.len() >= 64,
                _ => false,
            },
            Material::Rsa { .. } => {
                ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].contains(&algorithm)
            }
            Material::P256(_) => algorithm == "ES256",
            Material::P384(_) => algorithm == "ES384",
            Material::Ed25519(_) => ["EdDSA", "Ed25519"].contains(&algorithm),
        };
        fits && self
            .algorithm
            .as_deref()
            .is_none_or(|only| only == algorithm)
    }

    fn verify(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let public = |by: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            let key = signature::UnparsedPublicKey::new(by, key);
            key.verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Secret(secret) => {
                let by = match algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::verify(&hmac::Key::new(by, secret), signed, signature).is_ok()
            }
            Material::Rsa { modulus, exponent } => {
                let by = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
                    "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
                    "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => &signature::RSA_PKCS1_2048_8192_SHA256,
                };
                let key = signature::RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(by, signed, signature).is_ok()
            }
            Material::P256(key) => public(&signature::ECDSA_P256_SHA256_FIXED, key),
            Material::P384(key) => public(&signature::ECDSA_P384_SHA384_FIXED, key),
            Material::Ed25519(key) => public(&signature::ED25519, key),
        }
    }
}

/// Whether this is a key or a certificate: in PEM, with whatever is in front of it, JSON, or DER, or as OpenSSH has them.
fn is_key(secret: &[u8]) -> bool {
    const PEM: &[u8] = b"-----BEGIN ";
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    let forms: [&[u8]; 2] = [b"ssh-", b"ecdsa-sha2-"];
    let text = secret.strip_prefix(BYTE_ORDER_MARK).unwrap_or(secret);
    let text = text.trim_ascii();
    let is_pem = secret.windows(PEM.len()).any(|part| part == PEM);
    let json = || serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(text).ok();
    let is_jwk =
        || json().is_some_and(|map| ["kty", "keys"].iter().any(|name| map.contains_key(*name)));
    // Without the armour of PEM.
    let is_bare = || {
        let bare: Vec<_> = text
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        STANDARD.decode(bare).is_ok_and(|der| is_der(&der))
    };
    let is_text = is_pem || forms.iter().any(|form| text.starts_with(form));
    is_text || is_der(secret) || is_bare() || is_jwk()
}

/// Whether this is a SEQUENCE that begins with another or an INTEGER, as keys and certificates do. (X.690 §8.1; RFC 5280 §4.1)
fn is_der(secret: &[u8]) -> bool {
    let (length, content) = match secret {
        [0x30, length @ 0..=0x7F, rest @ ..] => (usize::from(*length), rest),
        [0x30, form @ 0x81..=0x84, rest @ ..] => {
            let Some((digits, rest)) = rest.split_at_checked(usize::from(form & 0x7F)) else {
                return false;
            };
            let digits = digits.iter();
            let length = digits.fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return false,
    };
    // What looks like space may have been cut off at its end, or be there too much.
    let is_whole = length.abs_diff(content.len()) <= 2;
    // 0x30 is a zero in a text, which no key in DER is.
    let is_text = secret.iter().all(u8::is_ascii_graphic);
    is_whole && !is_text && matches!(content, [0x30 | 0x02, ..])
}

/// Some write numbers with a zero in front, which they must not. (RFC 7518 §6.3.1.1)
fn without_zeros(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number[zeros..].to_owned()
}

/// The modulus of an RSA key of 2048 bits or more; up to 8192, for whose work is that of the gateway. (RFC 7518 §3.3)
fn modulus(number: &[u8]) -> Option<Vec<u8>> {
    let number = without_zeros(number);
    let bits = number.len() * 8 - number.first()?.leading_zeros() as usize;
    (2048..=8192).contains(&bits).then_some(number)
}

/// Nothing of the keys themselves.
impl Keys {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortSecret(length) => write!(
                f,
                "the secret has {length} bytes; one for tokens must have {SHORTEST_SECRET} or more, as `openssl rand -hex 32` makes them"
            ),
            Self::KeyAsSecret => f.write_str(
                "this is a key or a certificate, not a shared secret: whoever knows it could sign; write public keys as a JSON Web Key Set, with jwks_file",
            ),
            Self::NotASet(why) => write!(
                f,
                "not a JSON Web Key Set: {why}; it must look like {{\"keys\": [{{\"kty\": \"RSA\", …}}]}}"
            ),
            Self::SecretInSet => f.write_str(
                "the set has a shared secret (\"kty\": \"oct\") in it; public keys and secrets cannot be mixed: take it out, or write secret_file",
            ),
            Self::PrivateInSet => f.write_str(
                "the set has a private key (\"d\") in it, with which whoever reads the set can sign; leave only the public members of the keys",
            ),
            Self::NoKey => f.write_str(
                "the set has no key that verifies signatures; it needs one of RSA (2048 to 8192 bits), P-256, P-384 or Ed25519",
            ),
            Self::TooMany(most) => write!(f, "the set has more than {most} keys; leave out those that no longer sign"),
        }
    }
}

impl std::error::Error for KeyError {}
