/** What this process does to files, in order: the way to prove that something is on disk before something else happens. */
import promises, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { devNull } from 'node:os'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'

const { open, rename, unlink, rm, statfs } = promises

/**
 * Steps such as `sync a`, `rename .tmp-ID a`, `sync dumps` (a directory), by base names with UUIDs shown as `ID`. They are
 * written down once they have succeeded, until the test ends. Each begins a little later than it is asked for, so that what nobody
 * waits for comes too late. `note` adds a step of the test's own.
 */
export async function spyOnFiles(t: TestContext): Promise<{ readonly steps: string[]; note(step: string): void }> {
  const steps: string[] = []
  const paths = new WeakMap<object, string>()
  const note = (...step: unknown[]) => {
    steps.push(
      step.map(part => basename(String(part)).replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, 'ID')).join(' '),
    )
  }
  const handle = await open(devNull)
  const handles: FileHandle = Object.getPrototypeOf(handle)
  await handle.close()
  const { sync, writeFile } = handles
  handles.sync = async function () {
    await someTurns()
    await sync.call(this)
    note('sync', paths.get(this))
  }
  handles.writeFile = async function (...args) {
    await someTurns()
    await writeFile.apply(this, args)
    note('write', paths.get(this))
  }
  Object.assign(promises, {
    async open(...args: Parameters<typeof open>) {
      const file = await open(...args)
      paths.set(file, String(args[0]))
      return file
    },
    async rename(from: string, to: string) {
      await someTurns()
      await rename(from, to)
      note('rename', from, to)
    },
    async unlink(path: string) {
      await someTurns()
      await unlink(path)
      note('unlink', path)
    },
    async rm(...args: Parameters<typeof rm>) {
      await someTurns()
      await rm(...args)
      note('rm', args[0])
    },
  })
  syncBuiltinESMExports()
  t.after(() => {
    Object.assign(handles, { sync, writeFile })
    Object.assign(promises, { open, rename, unlink, rm })
    syncBuiltinESMExports()
  })
  return { steps, note }
}

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(resolve => setImmediate(resolve))
}

/**
 * Until the test ends, this process finds room for so many bytes in a folder, without the right to mount one: `writeFile` of a file
 * handle stores what fits and fails with ENOSPC, as `statfs` foretells. What is removed makes room. Linux only.
 */
export async function smallDisk(t: TestContext, folder: string, bytes: number): Promise<void> {
  const handle = await open(devNull)
  const handles: FileHandle = Object.getPrototypeOf(handle)
  await handle.close()
  const { writeFile } = handles
  const room = async () => {
    const entries = await promises.readdir(folder, { recursive: true, withFileTypes: true })
    const files = entries
      .filter(entry => entry.isFile())
      .map(entry => promises.stat(join(entry.parentPath, entry.name)))
    return (await Promise.all(files)).reduce((left, { size }) => left - size, bytes)
  }
  const within = (path: string) => path.startsWith(`${folder}/`) || path === folder
  handles.writeFile = async function (data, ...options) {
    const path = await promises.readlink(`/proc/self/fd/${this.fd}`)
    if (!within(path) || !(data instanceof Uint8Array)) return writeFile.call(this, data, ...options)
    const fitting = data.subarray(0, Math.max(0, await room()))
    await writeFile.call(this, fitting, ...options)
    if (fitting.length < data.length) {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' })
    }
  }
  Object.assign(promises, {
    async statfs(path: string) {
      const space = await statfs(path)
      return within(path) ? { ...space, bsize: 1, blocks: bytes, bavail: Math.max(0, await room()) } : space
    },
  })
  syncBuiltinESMExports()
  t.after(() => {
    handles.writeFile = writeFile
    Object.assign(promises, { statfs })
    syncBuiltinESMExports()
  })
}
