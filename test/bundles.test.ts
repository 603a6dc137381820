// The single files that are shipped, as far as an operator sees before they run.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { builtService } from '@cuckoo-distributed/testing'
import { PIPELINE } from './project.js'

function run(service: string, pretended: string) {
  const versions = `{ value: { ...process.versions, node: '${pretended}' } }`
  const preload = `data:text/javascript,Object.defineProperty(process, 'versions', ${versions})`
  return spawnSync(process.execPath, ['--import', preload, builtService(service), '--version'], { encoding: 'utf8' })
}

for (const service of [...PIPELINE, 'distributed_cuckoo']) {
  test(`${service} says which Node it needs, in one line and with exit code 2`, () => {
    for (const old of ['18.20.8', '20.18.3', '9.9.9']) {
      const { status, stdout, stderr } = run(service, old)
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, new RegExp(`^${service} needs Node\\.js 20\\.19 or newer; this is v[\\d.]+\\n$`))
    }
    for (const fit of ['20.19.0', '21.0.0', '26.1.0']) {
      const { status, stderr } = run(service, fit)
      assert.deepEqual([status, stderr], [0, ''])
    }
  })
}
