// npm run release [-- FOLDER [SERVICE…]]: one archive of everything that an operator needs, in `dist` by default, and its SHA-256 beside
// it. Twice from the same sources, it is the same to the last byte.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { buildFiles, makePrograms, needNode26 } from './build-binaries.mjs'
import { bill } from './release/bill.mjs'
import { componentsOf, licencesOf } from './release/components.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
/** What goes in as it is, under its own path, so that the documentation's links lead there. */
const COPIED = [
  ...['deploy/systemd', 'deploy/prometheus', 'deploy/grafana', 'deploy/crits/cuckoo_distributed_service'],
  ...['configs', 'docs', 'README.md', 'CHANGELOG.md', 'LICENSE'],
]
/** Not what git ignores there, such as a configuration with secrets, nor what only an image needs. */
const LEFT_OUT = /^\.|^__pycache__$|\.conf\.json$|^docker$/

needNode26()
const [folder = join(root, 'dist'), ...names] = process.argv.slice(2)
const target = resolve(folder)
const scratch = await mkdtemp(join(tmpdir(), 'release-'))
try {
  console.log(await release())
} finally {
  await rm(scratch, { recursive: true })
}

async function release() {
  const { name, version, license } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const time = releaseTime()
  const folder = join(scratch, `${name.replaceAll('-', '_')}-${version}-${process.platform}-${process.arch}`)
  const services = await buildFiles(join(folder, 'mjs'), names)
  await makePrograms(join(folder, 'mjs'), join(folder, 'bin'))
  for (const path of COPIED) {
    await cp(join(root, path), join(folder, path), { recursive: true, filter: file => !LEFT_OUT.test(basename(file)) })
  }
  const components = await componentsOf(services)
  const sbom = bill({ name, version, license, time, services, components })
  await writeFile(join(folder, 'sbom.cdx.json'), `${JSON.stringify(sbom, null, 2)}\n`)
  await writeFile(join(folder, 'THIRD-PARTY-LICENCES.txt'), await licencesOf(components))
  await writeFile(join(folder, 'SHA256SUMS'), await checksums(folder))
  await mkdir(target, { recursive: true })
  const archive = join(target, `${basename(folder)}.tar.gz`)
  await writeArchive(folder, archive, time)
  await writeFile(`${archive}.sha256`, `${await sha256(archive)}  ${basename(archive)}\n`)
  return archive
}

/** Of the sources: what reproducible-builds.org asks for, else the time of the last commit, else 1970. */
function releaseTime() {
  const epoch = process.env.SOURCE_DATE_EPOCH ?? spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root }).stdout
  return new Date(Number(epoch ?? 0) * 1000)
}

/** All files below a folder, in an order that no locale changes. */
async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return files.sort()
}

async function checksums(folder) {
  const lines = []
  for (const file of await filesBelow(folder)) lines.push(`${await sha256(file)}  ${relative(folder, file)}\n`)
  return lines.join('')
}

async function sha256(file) {
  const digest = createHash('sha256')
  await pipeline(createReadStream(file), digest)
  return digest.digest('hex')
}

/** Nothing of the machine goes in: no owner, no umask, no time but that of the sources. */
async function writeArchive(folder, archive, mtime) {
  const tar = pack()
  const written = pipeline(tar, createGzip({ level: 4 }), createWriteStream(archive))
  for (const file of await filesBelow(folder)) {
    const { size, mode } = await stat(file)
    const name = `${basename(folder)}/${relative(folder, file)}`
    await pipeline(createReadStream(file), tar.entry({ name, size, mtime, mode: mode & 0o100 ? 0o755 : 0o644 }))
  }
  tar.finalize()
  await written
}
