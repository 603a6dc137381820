import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '@cuckoo-distributed/core'
import { DistributedSchema } from '../src/config.js'

const EXAMPLE = fileURLToPath(new URL('../../../../configs/distributed_cuckoo.conf.json.example', import.meta.url))

test('the example shows every key, with its default where it has one', async () => {
  const example = await loadConfig(EXAMPLE, DistributedSchema, {})
  assert.deepEqual(Object.keys(example), Object.keys(DistributedSchema.properties))
  for (const [key, property] of Object.entries(DistributedSchema.properties)) {
    const shown = Object.entries(example).find(([name]) => name === key)?.[1]
    if ('default' in property) assert.deepEqual(shown, property.default, key)
  }
})
