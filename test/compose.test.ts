import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { parse } from 'yaml'
import { asRecord, at, PIPELINE, read, readJson, sectionOf } from './project.js'

const compose: unknown = parse(read('docker-compose.yml'), { merge: true })

test('every container of docker-compose.yml has limits for its memory and its log', () => {
  for (const [name, service] of Object.entries(asRecord(at(compose, 'services'), 'services'))) {
    assert.match(String(at(service, 'mem_limit')), /^\d+[mg]$/, name)
    const options = asRecord(at(service, 'logging', 'options'), name)
    assert.deepEqual(Object.keys(options), ['max-size', 'max-file'], name)
  }
})

test('health checks have only keys that a Docker before version 25 accepts', () => {
  for (const [name, service] of Object.entries(asRecord(at(compose, 'services'), 'services'))) {
    const allowed = ['test', 'interval', 'timeout', 'retries', 'start_period']
    const others = Object.keys(asRecord(at(service, 'healthcheck'), name)).filter(key => !allowed.includes(key))
    assert.deepEqual(others, [], name)
  }
})

test('docker-compose.yml does not start a service of the pipeline without the URL of CRITs', () => {
  for (const name of PIPELINE) {
    assert.match(String(at(compose, 'services', name, 'environment', 'CRITS_URL')), /^\$\{CRITS_URL:\?.+\}$/)
  }
})

test('images name their version', () => {
  assert.match(String(at(compose, 'services', 'rabbitmq', 'image')), /^rabbitmq:\d+\.\d+-management$/)
  const dockerfile = read('Dockerfile')
  assert.match(dockerfile, /^ARG NODE=node:\d+\.\d+\.\d+-/m)
  const stages = [...dockerfile.matchAll(/ AS (\w+)$/gm)].map(([, name]) => name)
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base = '']) => base)
  const others = bases.filter(base => !stages.includes(base))
  assert.deepEqual([...new Set(others)], ['${NODE}'])
})

test('packages of the image are installed before the sources come, so that only their list makes that step anew', () => {
  const steps = read('Dockerfile').split('\n')
  const place = (step: string) =>
    steps.findIndex((line, index) => index > steps.indexOf(`FROM \${NODE} AS build`) && line === step)
  const order = ['COPY --from=manifests /build ./', 'RUN npm ci --ignore-scripts', 'COPY . .', 'RUN npm run build'].map(
    place,
  )
  assert.ok(!order.includes(-1))
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  )
})

test('the services in Docker and their RabbitMQ agree on the largest message', () => {
  const [, bytes] = /^max_message_size = (\d+)$/m.exec(read('deploy/compose/rabbitmq.conf')) ?? []
  for (const name of PIPELINE) {
    assert.equal(readJson(`configs/docker/${name}.conf.json`).MaxMessageSize, Number(bytes), name)
  }
})

test('each service is asked for its health where it listens, and is well only when it is ready', async t => {
  let status = 200
  const server = createServer((_, response) => response.writeHead(status).end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const scripts = [...PIPELINE, 'distributed_cuckoo'].map(name => {
    assert.equal(readJson(`configs/docker/${name}.conf.json`).MetricsListen, '0.0.0.0:9110')
    return String(at(compose, 'services', name, 'healthcheck', 'test', '3'))
  })
  const [script = '', ...others] = new Set(scripts)
  assert.match(script, /:9110\/readyz'/)
  assert.doesNotMatch(script, / /, 'Podman cuts it there')
  assert.deepEqual(others, [])
  const isHealthy = async () => {
    const asked = script.replace(':9110', `:${address.port}`)
    const [code] = await once(spawn(process.execPath, ['-e', asked], { stdio: 'ignore' }), 'close')
    return code === 0
  }
  assert.equal(await isHealthy(), true)
  status = 503
  assert.equal(await isHealthy(), false)
  server.close()
  await once(server, 'close')
  assert.equal(await isHealthy(), false)
})

test('the services that ask the sandbox for results may use its URL, with the user and password of the one that feeds it', () => {
  const { CuckooURL } = readJson('configs/docker/feed_cuckoo.conf.json')
  for (const name of ['check_results', 'parse_and_submit']) {
    assert.deepEqual(readJson(`configs/docker/${name}.conf.json`).AllowedCuckooURLs, [CuckooURL], name)
  }
})

test('three brokers are a cluster: each of them knows all, by one secret, and keeps data of its own', () => {
  const brokers = Object.entries(asRecord(at(compose, 'services'), 'services')).filter(([name]) =>
    /^rabbitmq/.test(name),
  )
  const names = ['rabbitmq', 'rabbitmq2', 'rabbitmq3']
  assert.deepEqual(
    brokers.map(([name, broker]) => [name, at(broker, 'hostname'), at(broker, 'profiles')]),
    names.map((name, place) => [name, name, place === 0 ? undefined : ['three-brokers']]),
  )
  const nodes = [...read('deploy/compose/cluster.conf').matchAll(/nodes\.\d = (.*)$/gm)].map(([, node]) => node)
  assert.deepEqual(
    nodes,
    names.map(name => `rabbit@${name}`),
  )
  for (const [name, broker] of brokers) {
    assert.deepEqual(at(broker, 'environment'), at(brokers[0]?.[1], 'environment'), name)
    const mounts = Object.values(Object(at(broker, 'volumes'))).map(String)
    assert.ok(mounts.includes(`${name}:/var/lib/rabbitmq`), name)
    assert.ok(
      mounts.some(mount => mount.startsWith('./deploy/compose/rabbitmq.conf:')),
      name,
    )
    // The first one forms the cluster: with a list of others it would wait for them where there are none.
    assert.equal(
      mounts.some(mount => mount.startsWith('./deploy/compose/cluster.conf:')),
      name !== 'rabbitmq',
      name,
    )
    // Two that publish one port of the host would not start.
    if (name !== 'rabbitmq') assert.deepEqual(at(broker, 'ports'), [], name)
  }
  const [, hosts = ''] = /RABBITMQ_HOSTS=(\S+)/.exec(sectionOf(read('docs/operations.md'), '## Docker Compose')) ?? []
  assert.deepEqual(
    hosts.split(','),
    names.map(name => `${name}:5672`),
  )
  assert.match(
    String(at(compose, 'services', 'feed_cuckoo', 'environment', 'AMQP_URL')),
    /@\$\{RABBITMQ_HOSTS:-rabbitmq:5672\}$/,
  )
})
