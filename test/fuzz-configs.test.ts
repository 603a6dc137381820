// Whatever a configuration file holds: a valid configuration, or one ConfigError that names the fields and shows no value.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ConfigError, loadConfig } from '@cuckoo-distributed/core'
import { type Damage, damagedJson, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { PIPELINE, schemaOf } from './project.js'

const SECRET = 'k3y-of-the-operator'
let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fuzz-configs-'))
})
after(() => rm(folder, { recursive: true }))

const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 3 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  cut: fc.option(fc.nat(), { freq: 4 }),
})
const value = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>('${HOME}', '${NO_SUCH_VARIABLE}', '${', '${A}${A}', [SECRET], { a: SECRET }, SECRET),
)
const stranger = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom('amqp', 'Prefetch', '__proto__', 'constructor', 'x'.repeat(50_000)),
)

/** A file with a value of its kind under each key of the schema, and a secret in every text. */
function genuine(properties: Readonly<Record<string, object>>): Record<string, unknown> {
  const entries = Object.entries(properties).map(([key, schema]) => {
    const type = 'type' in schema ? schema.type : undefined
    if ('default' in schema && (schema.default !== '' || 'pattern' in schema)) return [key, schema.default]
    return [key, type === 'array' ? ['json'] : `amqp://u:${SECRET}@h`]
  })
  return Object.fromEntries(entries)
}

for (const service of [...PIPELINE, 'distributed_cuckoo']) {
  test(`${service}: any file is a configuration or one ConfigError that names fields and shows no value`, async t => {
    const schema = await schemaOf(service)
    const complete = genuine(schema.properties)
    const path = join(folder, `${service}.conf.json`)
    const known = fc.constantFrom(...Object.keys(complete))
    const changes = fc.dictionary(fc.oneof({ weight: 3, arbitrary: known }, stranger), value, { maxKeys: 4 })
    const property = fc.asyncProperty(changes, damage, fc.boolean(), async (changed, done, isBroken) => {
      const file = { ...complete, ...changed }
      await writeFile(path, isBroken ? damagedJson(file, done) : JSON.stringify(file))
      try {
        const config = await loadConfig(path, schema, { HOME: SECRET })
        assert.ok(Object.isFrozen(config))
        assert.deepEqual(Object.keys(config).sort(), Object.keys(schema.properties).sort())
      } catch (error: unknown) {
        assert.ok(error instanceof ConfigError, String(error))
        assert.ok(error.problems.length > 0)
        assert.ok(!error.message.includes(SECRET), error.message)
      }
    })
    await fc.assert(property, { ...fuzzing(t, 100), timeout: 10_000 })
  })
}

test('the complete file that the fuzzing starts from is a configuration', async () => {
  for (const service of [...PIPELINE, 'distributed_cuckoo']) {
    const schema = await schemaOf(service)
    const path = join(folder, 'complete.conf.json')
    await writeFile(path, JSON.stringify(genuine(schema.properties)))
    await loadConfig(path, schema, {})
  }
})
