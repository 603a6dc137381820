// What is in a dump directory.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The content of every dump. The directory may be gone: that is one of the faults. */
export async function readDumps(dir: string): Promise<Buffer[]> {
  const names = await readdir(dir).catch(() => [])
  const files = names.filter(name => !name.startsWith('.'))
  return Promise.all(files.map(name => readFile(join(dir, name)).catch(() => Buffer.alloc(0))))
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
