/** Dropped files: which ones an analysis leaves behind, and the archive Cuckoo makes of them. */
import { createHash } from 'node:crypto'
import type { TarEntry } from '../archive/tar.js'
import type { CuckooVersion } from './flavour.js'
import { FLAVOURS } from './flavour.js'
import { printableStrings, type SampleFacts } from './sample.js'

/** A file that the sample wrote. */
export interface DroppedFile {
  /** Base name in the guest; bytes for names that are not UTF-8. */
  readonly name: string | Buffer
  readonly content: Buffer
}

/**
 * Files derived from a sample's content, with what real archives hold: a base name that occurs twice, an empty file,
 * a name outside ASCII, an executable, and (up to 1 MiB) the sample itself.
 */
export function makeDropped(sample: SampleFacts, sampleName = 'sample.exe'): DroppedFile[] {
  const strings = printableStrings(sample.head, 4, 50).join('\n')
  const files: DroppedFile[] = [
    { name: 'readme.txt', content: Buffer.from(`read me\n${sample.md5}\n`) },
    {
      name: 'dropped.exe',
      content: Buffer.concat([Buffer.from('MZ\x90\0', 'latin1'), Buffer.from(sample.sha512, 'hex')]),
    },
    { name: 'näme with space.dat', content: Buffer.from(sample.sha1) },
    { name: 'empty.bin', content: Buffer.alloc(0) },
    { name: 'readme.txt', content: Buffer.from(`read me, too\n${sample.sha256}\n${strings}\n`) },
  ]
  if (sample.size > 0 && sample.size === sample.head.length) files.push({ name: sampleName, content: sample.head })
  return files
}

/** Where a file lies under `files/`: 1.x uses a folder of random digits, later versions put the hash before the name. */
export function droppedPath(
  file: DroppedFile,
  index: number,
  version: CuckooVersion,
): { folder: string; name: Buffer } {
  const name = Buffer.from(file.name)
  if (FLAVOURS[version].framework === 'flask') {
    const hash = createHash('sha256').update(file.content).digest('hex').slice(0, 16)
    const shown = Buffer.from(name.toString('latin1').replace(/[:\0]/g, 'X'), 'latin1')
    return { folder: 'files/', name: Buffer.concat([Buffer.from(`${hash}_`), shown]) }
  }
  const digits = createHash('md5').update(`${index}`).update(name).update(file.content).digest().readUInt32LE()
  return { folder: `files/${100_000_000 + digits}/`, name }
}

/** The members of the archive: folders come first, as Python's tarfile walks them. */
export function* droppedEntries(files: readonly DroppedFile[], version: CuckooVersion): Generator<TarEntry> {
  yield { name: 'files/' }
  for (const [index, file] of files.entries()) {
    const { folder, name } = droppedPath(file, index, version)
    if (folder !== 'files/') yield { name: folder }
    yield { name: Buffer.concat([Buffer.from(folder), name]), content: file.content }
  }
}
