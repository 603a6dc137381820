import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '@cuckoo-distributed/core'
import { DistributedSchema } from '../src/config.js'

function configs(name: string): string {
  return fileURLToPath(new URL(`../../../../configs/${name}`, import.meta.url))
}

test('the example shows every key, with its default where it has one', async () => {
  const example = await loadConfig(configs('distributed_cuckoo.conf.json.example'), DistributedSchema, {})
  assert.deepEqual(Object.keys(example), Object.keys(DistributedSchema.properties))
  for (const [key, property] of Object.entries(DistributedSchema.properties)) {
    const shown = Object.entries(example).find(([name]) => name === key)?.[1]
    if ('default' in property) assert.deepEqual(shown, property.default, key)
  }
})

test('the configuration for Docker loads with the environment that docker-compose.yml sets', async () => {
  const environment = { CLUSTER_TOKEN: 's3cret' }
  const config = await loadConfig(configs('docker/distributed_cuckoo.conf.json'), DistributedSchema, environment)
  assert.equal(config.ApiToken, 's3cret')
})
