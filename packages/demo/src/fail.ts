// `--fail`: a sample that fails four times, what is kept of it, and its way back to work once the cause is gone.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { startService } from '@cuckoo-distributed/testing'
import type { Scene } from './scene.js'
import { serviceConfigs } from './services.js'
import { shown } from './text.js'

/** Lets the stand-in for Cuckoo refuse every sample; returns how to end that. */
export function refuseUploads({ cuckoo }: Scene): () => void {
  const match = { method: 'POST', path: '/tasks/create/file' }
  const body = '<html><head><title>413 Request Entity Too Large</title></head></html>'
  cuckoo?.faults.next({ kind: 'status', status: 413, body, match, times: Number.POSITIVE_INFINITY })
  return () => cuckoo?.faults.clear()
}

/** What lies in the dump directory: each file's path, mode and shape, but neither sample nor key. */
export async function describeDumps(dumpDir: string): Promise<string[]> {
  const names = (await readdir(dumpDir)).filter(name => !name.startsWith('.')).sort()
  const described = names.map(async name => {
    const path = join(dumpDir, name)
    const { mode, size } = await stat(path)
    const dump: unknown = JSON.parse(await readFile(path, 'utf8'))
    return [`${path}  (mode ${(mode & 0o777).toString(8)}, ${size} bytes)`, ...shapeOf(dump, 1)]
  })
  return (await Promise.all(described)).flat()
}

/** Texts whose content may be shown: they say what went wrong, and where. */
const OPEN = new Set(['Service', 'Queue', 'Error', 'Desc', 'FailedAt', 'At'])

function shapeOf(value: unknown, depth: number): string[] {
  if (typeof value !== 'object' || value === null) return []
  const indent = '  '.repeat(depth)
  return Object.entries(value).flatMap(([key, item]) => {
    const inner = key === 'Msg' ? jsonOf(item) : item
    return [`${indent}${shown(key)}: ${kindOf(key, item)}`, ...shapeOf(inner, depth + 1)]
  })
}

function kindOf(key: string, value: unknown): string {
  if (Array.isArray(value)) return `${value.length} entries`
  if (typeof value === 'string') return OPEN.has(key) ? shown(value) : `text of ${value.length} characters`
  return typeof value === 'object' ? 'object' : String(value)
}

/** The failed message inside a dump is JSON in a text; a broken one has no shape to show. */
function jsonOf(value: unknown): unknown {
  try {
    return typeof value === 'string' ? JSON.parse(value) : undefined
  } catch {
    return undefined
  }
}

/** Runs `overseer --resubmitDumped` beside the running overseer; resolves with its exit code. */
export async function resubmitDumped({ options, print }: Scene): Promise<number | null> {
  const config = serviceConfigs(options).overseer
  const command = await startService('overseer', { config, args: ['--resubmitDumped'] })
  const { code } = await command.exit
  const summary = command.log.find(line => line.msg === 'resubmission has ended')
  print(
    `overseer --resubmitDumped: ${summary?.resubmitted ?? 0} resubmitted, ${summary?.left ?? '?'} left, exit code ${code}`,
  )
  return code
}
