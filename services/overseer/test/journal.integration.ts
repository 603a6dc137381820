// Who reads the events at a real broker, and what the others say of samples under way.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventQueue } from '@cuckoo-distributed/core'
import { type ServiceProcess, TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { scene } from './scene.js'

async function openSamples(service: ServiceProcess): Promise<string | undefined> {
  const { address } = await service.waitForLog('metrics and health are served')
  assert.ok(typeof address === 'object' && address !== null && 'port' in address)
  const text = await (await fetch(`http://127.0.0.1:${address.port}/metrics`)).text()
  assert.equal(
    /^cuckoo_distributed_oldest_open_sample_timestamp_seconds \d/m.test(text),
    !/open_samples 0$/m.test(text),
  )
  return /^cuckoo_distributed_open_samples (?<count>\d+)$/m.exec(text)?.groups?.count
}

test('an overseer that lost the events to another one tells of no sample under way until it reads again', async t => {
  const { broker, failed, start, dumpDir } = await scene(t)
  const proxy = await TcpProxy.start({ port: Number(new URL(broker.url).port) })
  t.after(() => proxy.close())
  let seq = 0
  const tell = (analysis: string) => {
    seq += 1
    const event = { at: Date.now(), service: 's', instance: 'i', seq, event: 'received', queue: 'q', analysis }
    return broker.publish(eventQueue(failed), Buffer.from(JSON.stringify(event)))
  }
  const until = (service: ServiceProcess, ...counts: string[]) =>
    waitFor(async () => counts.includes((await openSamples(service)) ?? ''), { describe: `${counts} open samples` })
  const metrics = { MetricsListen: '127.0.0.1:0' }
  const first = await start({ ...metrics, Amqp: proxy.through(broker.url) })
  await tell('a-1')
  await until(first, '1')
  const second = await start({ ...metrics, JournalDir: join(dumpDir, '..', 'second') })
  await waitFor(async () => (await broker.consumers(eventQueue(failed))) === 2, { describe: 'two readers' })
  proxy.cut()
  await until(first, '0')
  await tell('a-2')
  // Two, when the first one had not acknowledged its event yet.
  await until(second, '1', '2')
  await until(first, '0')
  await second.stop()
  await tell('a-3')
  // What it knew from before may have ended with the other one.
  await until(first, '1')
  await tell('a-1')
  await until(first, '2')
})
