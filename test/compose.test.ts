import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { parse } from 'yaml'
import { asRecord, at, PIPELINE, read, readJson } from './project.js'

const compose: unknown = parse(read('docker-compose.yml'), { merge: true })

test('every container of docker-compose.yml has limits for its memory and its log', () => {
  for (const [name, service] of Object.entries(asRecord(at(compose, 'services'), 'services'))) {
    assert.match(String(at(service, 'mem_limit')), /^\d+[mg]$/, name)
    const options = asRecord(at(service, 'logging', 'options'), name)
    assert.deepEqual(Object.keys(options), ['max-size', 'max-file'], name)
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

test('the health check of distributed_cuckoo tells a server that answers from one that is unwell or away', async t => {
  let status = 401
  const server = createServer((_, response) => response.writeHead(status).end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const script = String(at(compose, 'services', 'distributed_cuckoo', 'healthcheck', 'test', '3'))
  const isHealthy = async () => {
    const check = spawn(process.execPath, ['-e', script.replace(':9003', `:${address.port}`)], { stdio: 'ignore' })
    const [code] = await once(check, 'close')
    return code === 0
  }
  assert.equal(await isHealthy(), true)
  status = 503
  assert.equal(await isHealthy(), false)
  server.close()
  await once(server, 'close')
  assert.equal(await isHealthy(), false)
})
