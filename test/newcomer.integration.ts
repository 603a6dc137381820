// The documentation is followed in a folder that stands for a machine; `newcomer.debian.ts` does it on a fresh Debian.
import { test } from 'node:test'
import { startRabbitMq } from '@cuckoo-distributed/testing'
import { FolderMachine } from './newcomer/folder.js'
import { followDocumentation, surroundings } from './newcomer/journey.js'

test('whoever follows the documentation gets a first sample through, and a dump back to work', async t => {
  const node = await startRabbitMq()
  t.after(() => node.stop())
  const around = await surroundings(t)
  try {
    await followDocumentation(await FolderMachine.make(t, node, around.names), node.url, around)
  } catch (error: unknown) {
    t.diagnostic(await node.log())
    throw error
  }
})
