import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loadConfig } from '@cuckoo-distributed/core'
import { asRecord, PIPELINE, read, readJson, root, schemaOf, sectionOf } from './project.js'

for (const service of PIPELINE) {
  test(`the example of ${service} shows every key, with its default where it has one`, async () => {
    const example = readJson(`configs/${service}.conf.json.example`)
    const { properties } = await schemaOf(service)
    assert.deepEqual(Object.keys(example).sort(), Object.keys(properties).sort())
    const defaults = Object.entries(properties).flatMap(([key, property]) => {
      const { default: value } = asRecord(property, key)
      return value === undefined ? [] : [[key, value] as const]
    })
    // An instance with another queue than the default one is what a user starts from.
    assert.deepEqual(Object.fromEntries(defaults.map(([key]) => [key, example[key]])), Object.fromEntries(defaults))
  })

  test(`the Go suite's example of ${service} loads unchanged, and -config names it`, async () => {
    const file = `test/fixtures/go-suite/${service}.conf.json.example`
    await loadsUnchanged(service, file)
    const main = join(root, `services/${service}/build/src/main.js`)
    const { status, stderr } = spawnSync(process.execPath, [main, '-config', join(root, file), '--check-config'], {
      encoding: 'utf8',
    })
    assert.equal(status, 2)
    const [, ...problems] = stderr.trimEnd().split('\n')
    assert.ok(problems.length > 0)
    for (const problem of problems) assert.match(problem, /^ {2}"(Amqp|CuckooURL|DumpDir)" is still the placeholder/)
  })

  test(`the configuration of ${service} for Docker loads with the environment that docker-compose.yml sets`, async () => {
    const lines = [...sectionOfCompose('environment').matchAll(/^ {4}([A-Z_]+): (.*)$/gm)]
    const environment = lines.map(([, name = '', value = '']) => [name, /^\$\{\w+:-(\w+)\}$/.exec(value)?.[1] ?? 'x'])
    const file = join(root, `configs/docker/${service}.conf.json`)
    await loadConfig(file, await schemaOf(service), Object.fromEntries(environment))
  })
}

for (const instance of ['parse_and_submit', 'parse_and_submit_dropped']) {
  test(`the Go suite's chain example loads unchanged: ${instance}`, async () => {
    await loadsUnchanged('parse_and_submit', `test/fixtures/go-suite-chain/${instance}.conf.json.example`)
  })
}

test('the two configurations of a chain in docs/configuration.md load, and the second goes on where the first ends', async t => {
  const blocks = [...sectionOf(read('docs/configuration.md'), '## Chains').matchAll(/```json\n(.*?)```/gs)].map(
    ([, json = '']) => json,
  )
  const schema = await schemaOf('parse_and_submit')
  const loaded = await Promise.all(
    blocks.map(async json => asRecord(await loadConfig(await fileWith(t, json), schema, {}), 'configuration')),
  )
  const [first, second] = loaded
  assert.equal(loaded.length, 2)
  assert.equal(first?.ProducerQueue, second?.ConsumerQueue)
  assert.equal(second?.ProducerQueue, '')
})

for (const service of PIPELINE) {
  test(`the configuration of ${service} in docs/getting-started.md loads, and the check of it finds nothing to say`, async t => {
    const page = read('docs/getting-started.md')
    const [, json = ''] = new RegExp(`/${service}\\.conf\\.json\`:\n\n\`\`\`json\n(.*?)\`\`\``, 's').exec(page) ?? []
    const folder = await mkdtemp(join(tmpdir(), 'configs-'))
    t.after(() => rm(folder, { recursive: true }))
    const file = join(folder, 'service.conf.json')
    await writeFile(file, json.replaceAll(/\/var\/lib\/cuckoo_distributed\/\w+/g, folder))
    const main = join(root, `services/${service}/build/src/main.js`)
    const { status, stderr } = spawnSync(process.execPath, [main, '--config', file, '--check-config'], {
      encoding: 'utf8',
      env: { ...process.env, AMQP_URL: 'amqp://pipeline:PASSWORD@127.0.0.1:5672' },
    })
    assert.equal(stderr, '')
    assert.equal(status, 0)
  })
}

/** Loads a file and compares every key that it has. */
async function loadsUnchanged(service: string, path: string): Promise<void> {
  const written = readJson(path)
  const loaded = asRecord(await loadConfig(join(root, path), await schemaOf(service), {}), path)
  assert.deepEqual(Object.fromEntries(Object.keys(written).map(key => [key, loaded[key]])), written)
}

async function fileWith(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'configs-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'service.conf.json')
  await writeFile(file, text)
  return file
}

/** The lines below a key of the part that all services of docker-compose.yml share. */
function sectionOfCompose(key: string): string {
  const [, lines] = new RegExp(`^  ${key}:\\n((?:    .*\\n)+)`, 'm').exec(read('docker-compose.yml')) ?? []
  assert.ok(lines, `docker-compose.yml has no "${key}" for all services`)
  return lines
}
