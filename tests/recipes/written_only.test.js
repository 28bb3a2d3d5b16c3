/*
 * The configurations of Traefik and Envoy, which Debian does not have: well-formed, their parts refer to each other, and
 * their routes match the paths that they should. What the fields mean is Traefik's and Envoy's documentation's to say.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { recipe } from './support/proxy.js';

const GATEWAYS = ['10.0.0.1:8081', '[::1]:8082', 'gateway.example.com:8083'];
const shared = GATEWAYS.flatMap((gateway) => ['--gateway', gateway]);
const PREFIX = '/live/feed.v1';

const OUTSIDE = ['/', '/live', '/live/feed.v1x/info', '/live/feedxv1/info', `/other${PREFIX}/info`];
const INSIDE = [PREFIX, `${PREFIX}/`, `${PREFIX}/info`, `${PREFIX}/iframe.html`, `${PREFIX}/websocket`];
const session = (server, id) => ['xhr', 'xhr_send', 'websocket'].map((end) => `${PREFIX}/${server}/${id}/${end}`);

const DOCTOR = ['', '/', '/seen', '/verdict', '/results/K7QM-29XF', ...session('0123456789abcdef', 'abcd')
  .map((path) => path.replace(PREFIX, '/sockjs'))].map((path) => `${PREFIX}/doctor${path}`);

/** The recipe for several gateways, of a service that has a doctor. */
async function recipeWithDoctor(name) {
  const folder = await mkdtemp(join(tmpdir(), 'sockjs-gateway-'));
  try {
    const config = join(folder, 'gateway.toml');
    await writeFile(config, `[[service]]\nprefix = "${PREFIX}"\nbackend = "echo:"\ndoctor = true\n`);
    return await recipe(name, [...shared, '--config', config]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** With what is commented out as a template: unlike a sentence, it has no single blank after the #. */
const withTemplates = (text) => text.slice(text.search(/^\w/m)).replace(/^( *)#(?! \S)/gm, '$1');

describe('traefik', () => {
  const FIELDS = {
    router: ['rule', 'priority', 'service', 'middlewares', 'entryPoints'],
    service: ['passHostHeader', 'serversTransport', 'responseForwarding', 'servers'],
    transport: ['maxIdleConnsPerHost', 'forwardingTimeouts'],
  };

  const onlyHas = (object, fields) => {
    assert.deepEqual(Object.keys(object).filter((field) => !fields.includes(field)), []);
  };

  /** The service of the router with the highest priority that matches, or undefined. */
  function serviceOf({ http }, path) {
    const matching = Object.values(http.routers).filter(({ rule }) => (
      [...rule.matchAll(/PathRegexp\(`([^`]+)`\)/g)].some(([, pattern]) => new RegExp(pattern).test(path))
    ));
    matching.sort((a, b) => (b.priority ?? b.rule.length) - (a.priority ?? a.rule.length));
    return matching[0]?.service;
  }

  for (const options of [[], shared]) {
    it(`has parts that refer to each other, with ${options.length / 2 || 1} gateway(s)`, async () => {
      const { http, ...rest } = parse(await recipe('traefik', [...options, '--prefix', PREFIX]));
      assert.deepEqual(rest, {});
      onlyHas(http, ['routers', 'middlewares', 'services', 'serversTransports']);
      for (const router of Object.values(http.routers)) {
        onlyHas(router, FIELDS.router);
        assert.ok(http.services[router.service], router.service);
        assert.deepEqual(router.middlewares, ['sockjs-forwarded']);
        assert.deepEqual(router.entryPoints, ['web']);
      }
      const { headers } = http.middlewares['sockjs-forwarded'];
      assert.deepEqual(headers, { customRequestHeaders: { Forwarded: '' } });
      for (const { loadBalancer } of Object.values(http.services)) {
        onlyHas(loadBalancer, FIELDS.service);
        assert.ok(http.serversTransports[loadBalancer.serversTransport]);
        assert.equal(loadBalancer.passHostHeader, true);
        loadBalancer.servers.forEach(({ url }) => assert.doesNotThrow(() => new URL(url)));
      }
      Object.values(http.serversTransports).forEach((transport) => onlyHas(transport, FIELDS.transport));
    });
  }

  it('routes what belongs to the service, and nothing else', async () => {
    const config = parse(await recipe('traefik', ['--prefix', PREFIX]));
    for (const path of [...INSIDE, ...session('000', 'abcd')]) assert.equal(serviceOf(config, path), 'sockjs', path);
    for (const path of OUTSIDE) assert.equal(serviceOf(config, path), undefined, path);
  });

  it('keeps sessions together, and uses every gateway', async () => {
    const config = parse(await recipe('traefik', [...shared, '--prefix', PREFIX]));
    const used = new Set();
    for (const server of ['000', '001', '002', '123', '999', 'a', 'x9y', '5']) {
      const services = new Set(session(server, 'abcd').map((path) => serviceOf(config, path)));
      assert.equal(services.size, 1, server);
      const [only] = services;
      assert.match(only, /^sockjs-\d$/);
      used.add(only);
    }
    assert.equal(used.size, GATEWAYS.length);
    for (const path of INSIDE) assert.equal(serviceOf(config, path), 'sockjs', path);
  });

  it('has all of a doctor in one gateway', async () => {
    const config = parse(await recipeWithDoctor('traefik'));
    for (const path of DOCTOR) assert.equal(serviceOf(config, path), 'sockjs-1', path);
    for (const path of INSIDE) assert.equal(serviceOf(config, path), 'sockjs', path);
    assert.equal(serviceOf(config, `${PREFIX}/doctor2`), 'sockjs');
    assert.equal(serviceOf(config, `${PREFIX}/doctor2/abcd/xhr`), 'sockjs-3');
  });

  it('answers for the given host only', async () => {
    const { http } = parse(await recipe('traefik', [...shared, '--server-name', 'live.example.com']));
    for (const { rule } of Object.values(http.routers)) assert.match(rule, /^Host\(`live\.example\.com`\) && /);
  });

  it('has a template for TLS that fits in', async () => {
    const text = withTemplates(await recipe('traefik', ['--server-name', 'live.example.com']))
      .replace(/ {6}entryPoints:\n {8}- web\n/, '');
    const { sockjs } = parse(text).http.routers;
    assert.deepEqual(sockjs.entryPoints, ['websecure']);
    assert.deepEqual(sockjs.tls, { certResolver: 'live-example-com' });
  });

  it('has an entry point whose requests may take as long as they like', async () => {
    const text = await recipe('traefik', ['--public-port', '8080']);
    const comment = /^#\n((?:# {3}.*\n)+)$/m.exec(text.slice(text.indexOf('# Place')))[1].replace(/^# {3}/gm, '');
    const { entryPoints, providers } = parse(comment);
    assert.equal(entryPoints.web.address, ':8080');
    assert.equal(entryPoints.web.transport.respondingTimeouts.readTimeout, '0s');
    assert.deepEqual(providers, { file: { directory: '/etc/traefik/dynamic' } });
  });
});

describe('envoy', () => {
  async function load(options) {
    const { static_resources: resources } = parse(await recipe('envoy', [...options, '--prefix', PREFIX]));
    const [{ name, typed_config: manager }] = resources.listeners[0].filter_chains[0].filters;
    assert.equal(name, 'envoy.filters.network.http_connection_manager');
    return { resources, manager, routes: manager.route_config.virtual_hosts[0].routes };
  }

  /** The first route whose pattern matches the whole path. */
  const routeOf = (routes, path) => (
    routes.find(({ match }) => new RegExp(`^(?:${match.safe_regex.regex})$`).test(path))?.route
  );

  for (const options of [[], shared]) {
    it(`has routes to its cluster, with ${options.length / 2 || 1} gateway(s)`, async () => {
      const { resources, manager, routes } = await load(options);
      assert.equal(resources.clusters.length, 1);
      const [cluster] = resources.clusters;
      for (const { route } of routes) {
        assert.equal(route.cluster, cluster.name);
        assert.equal(route.timeout, '0s');
        assert.equal(route.idle_timeout, '100s');
        assert.equal(route.retry_policy, undefined);
      }
      assert.equal(cluster.load_assignment.cluster_name, cluster.name);
      assert.deepEqual(manager.upgrade_configs, [{ upgrade_type: 'websocket' }]);
      assert.deepEqual(manager.route_config.request_headers_to_remove, ['forwarded']);
      const addresses = cluster.load_assignment.endpoints[0].lb_endpoints
        .map(({ endpoint }) => endpoint.address.socket_address)
        .map(({ address, port_value: port }) => `${address.includes(':') ? `[${address}]` : address}:${port}`);
      assert.deepEqual(addresses, options.length > 0 ? GATEWAYS : ['127.0.0.1:8081']);
      assert.equal(cluster.type, options.length > 0 ? 'STRICT_DNS' : 'STATIC');
    });
  }

  it('routes what belongs to the service, and nothing else', async () => {
    const { routes } = await load([]);
    for (const path of [...INSIDE, ...session('000', 'abcd')]) assert.ok(routeOf(routes, path), path);
    for (const path of OUTSIDE) assert.equal(routeOf(routes, path), undefined, path);
  });

  it('hashes what all requests of a session have in common, and nothing else', async () => {
    const { resources, routes } = await load(shared);
    assert.equal(resources.clusters[0].lb_policy, 'RING_HASH');
    for (const path of session('000', 'abcd')) {
      const [{ header }] = routeOf(routes, path).hash_policy;
      assert.equal(header.header_name, ':path');
      const { pattern, substitution } = header.regex_rewrite;
      const key = path.replace(new RegExp(pattern.regex), substitution.replace('\\', '$'));
      assert.equal(key, `${PREFIX}/000/abcd`);
    }
    for (const path of INSIDE) assert.equal(routeOf(routes, path).hash_policy, undefined, path);
  });

  it('has all of a doctor in one gateway', async () => {
    const { static_resources: resources } = parse(await recipeWithDoctor('envoy'));
    const manager = resources.listeners[0].filter_chains[0].filters[0].typed_config;
    const { routes } = manager.route_config.virtual_hosts[0];
    const keyOf = (path, query) => {
      const [{ header }] = routeOf(routes, path).hash_policy;
      const { pattern, substitution } = header.regex_rewrite;
      return (path + query).replace(new RegExp(pattern.regex), substitution.replace('\\', '$'));
    };
    for (const path of DOCTOR) assert.equal(keyOf(path, '?run=x'), `${PREFIX}/doctor`, path);
    assert.equal(keyOf(`${PREFIX}/doctor2/abcd/xhr`, ''), `${PREFIX}/doctor2/abcd`);
    for (const path of INSIDE) assert.equal(routeOf(routes, path).hash_policy, undefined, path);
  });

  it('has a template for TLS that fits in', async () => {
    const { static_resources: resources } = parse(withTemplates(await recipe('envoy', [])));
    const { common_tls_context: context } = resources.listeners[0].filter_chains[0].transport_socket.typed_config;
    assert.deepEqual(context.alpn_protocols, ['h2', 'http/1.1']);
  });
});
