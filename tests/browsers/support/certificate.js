/*
 * A certificate for 127.0.0.1 and localhost that nobody has signed; the browsers of the tests accept it. Made by openssl.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder with `certificate`, `key`, and room for other files: `{ folder, certificate, key, remove() }`. */
export function makeCertificate() {
  const folder = mkdtempSync(join(tmpdir(), 'sockjs-gateway-tls-'));
  const [certificate, key] = ['certificate.pem', 'key.pem'].map((name) => join(folder, name));
  try {
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '7', '-subj', '/CN=localhost',
      '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', certificate,
    ], { stdio: 'pipe' });
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw new Error(`openssl cannot make a certificate; is it installed? ${error.stderr ?? error.message}`);
  }
  return { folder, certificate, key, remove: () => rmSync(folder, { recursive: true }) };
}
