// What is in a dump directory.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitFor } from '@cuckoo-distributed/testing'

/** The content of every dump. The directory may be gone: that is one of the faults. */
export async function readDumps(dir: string): Promise<Buffer[]> {
  const names = await readdir(dir).catch(() => [])
  const files = names.filter(name => !name.startsWith('.'))
  return Promise.all(files.map(name => readFile(join(dir, name)).catch(() => Buffer.alloc(0))))
}

/** Resolves once CRITs has been told of every dump, or will not take it. */
export async function allNoticesTold(dir: string): Promise<void> {
  const untold = async () => (await readdir(dir)).filter(name => name.includes('.notice-'))
  await waitFor(async () => (await untold()).length === 0, {
    describe: 'CRITs to be told of dumps',
  })
}

/** The messages in the dumps, as they arrived in their queues. */
export async function dumpedBodies(dir: string): Promise<Buffer[]> {
  return (await readDumps(dir)).map(content => {
    const dump: unknown = JSON.parse(content.toString('utf8'))
    if (typeof dump !== 'object' || dump === null) throw new TypeError('a dump is an object')
    if ('MsgBase64' in dump) return Buffer.from(String(dump.MsgBase64), 'base64')
    return Buffer.from('Msg' in dump ? String(dump.Msg) : '')
  })
}
