// What a release holds, and that its programs need no Node.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { spawnService } from '@cuckoo-distributed/testing'
import { startCluster } from './cluster.js'
import { assertCleanEnd, assertResults } from './expectations.js'
import { asRecord, at, filesIn, PIPELINE, read, readJson, root } from './project.js'
import { type ServiceName, startScene } from './scene.js'

const SERVICES = [...PIPELINE, 'distributed_cuckoo']
/** Those with a library beside them, and with WebAssembly and threads in them; `npm run test:release` makes all. */
const PROGRAMS = process.env.RELEASE_WHOLE === '1' ? SERVICES : ['parse_and_submit', 'distributed_cuckoo']
const NAME = `cuckoo_distributed-1.0.0-${process.platform}-${process.arch}`
const NO_PATH = { PATH: '' }

let folder = ''
/** The archive as it is unpacked. */
let unpacked = ''
/** The same once more, on a machine that is set to other things; it goes on while the first one is looked at. */
let again: Promise<string>

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'release-test-'))
  const archive = await release('first')
  again = release('again', { umask: '077', env: { TZ: 'Asia/Tokyo', LANG: 'C' } })
  // It is looked at in the end.
  again.catch(() => {})
  execFileSync('sha256sum', ['--check', '--quiet', `${NAME}.tar.gz.sha256`], { cwd: join(folder, 'first') })
  execFileSync('tar', ['-xzf', archive, '-C', folder])
  unpacked = join(folder, NAME)
})

after(async () => {
  await Promise.allSettled([again])
  await rm(folder, { recursive: true, force: true })
})

/** `npm run release` into a folder of this name; resolves with the archive. */
async function release(into: string, { umask = '022', env = {} } = {}): Promise<string> {
  const command = `umask ${umask}; exec npm run --silent release -- "$0" ${PROGRAMS.join(' ')}`
  const options = { cwd: root, env: { ...process.env, ...env } }
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command, join(folder, into)], options)
  return stdout.trim()
}

test('the programs of a release need neither Node nor a PATH: real samples through all of them', async t => {
  const bin = (name: string) => join(unpacked, 'bin', name)
  const scene = await startScene(t)
  const node = await scene.startCuckoo()
  // SQLite's binding lies beside the program.
  const cluster = await startCluster(t, [node], {}, { program: bin('distributed_cuckoo'), env: NO_PATH })
  const start = async (name: ServiceName, config: object = {}) => {
    const program = PROGRAMS.includes(name) ? bin(name) : name
    const env = program === name ? {} : NO_PATH
    const service = await spawnService(t, program, { config: { ...scene.configs[name], ...config }, env })
    await service.waitForLog('consuming')
    return service
  }
  const services = await Promise.all([
    start('feed_cuckoo', { CuckooURL: cluster.url }),
    start('check_results'),
    start('parse_and_submit'),
    start('overseer'),
  ])
  // The report is skipped through in WebAssembly; the dropped files come in bzip2, which a worker thread unpacks.
  const samples = [1, 2, 3].map(number => ({
    name: `${number}.exe`,
    bytes: Buffer.from(`MZ\x90 without Node ${number}`),
  }))
  const emitted = await Promise.all(samples.map(sample => scene.emit(sample)))
  await scene.allAre('completed', emitted)
  for (const each of emitted) assertResults(scene, each)
  await assertCleanEnd(scene, services, node)
  assert.deepEqual(await cluster.process.stop(), { code: 0, signal: null })
})

test('a program finds the configuration beside itself, however it is called', async () => {
  const elsewhere = join(folder, 'elsewhere')
  await mkdir(elsewhere)
  const example = join(unpacked, 'configs', 'distributed_cuckoo.conf.json.example')
  const beside = join(unpacked, 'bin', 'distributed_cuckoo.conf.json')
  await copyFile(example, beside)
  const env = { PATH: join(unpacked, 'bin') }
  const { stdout, stderr } = spawnSync('distributed_cuckoo', ['--check-config'], {
    cwd: elsewhere,
    env,
    encoding: 'utf8',
  })
  await rm(beside)
  assert.ok((stdout + stderr).includes(beside), stdout + stderr)
  const { status, stderr: missing } = spawnSync('parse_and_submit', [], { cwd: elsewhere, env, encoding: 'utf8' })
  assert.equal(status, 2)
  assert.ok(missing.includes(`no ${join(unpacked, 'bin', 'parse_and_submit.conf.json')};`), missing)
})

test('a release holds programs, single files, units, examples, checksums, and no configuration of ours', () => {
  const listed = execFileSync('tar', ['-tzf', join(folder, 'first', `${NAME}.tar.gz`)], { encoding: 'utf8' })
  const files = new Set(listed.trim().split('\n'))
  const expected = [
    ...PROGRAMS.flatMap(name => [`bin/${name}`, `mjs/${name}.mjs`]),
    ...SERVICES.map(name => `configs/${name}.conf.json.example`),
    ...['bin/libsql.node', 'mjs/libsql.node', 'deploy/systemd/cuckoo_distributed@.service', 'docs/operations.md'],
    ...['README.md', 'LICENSE', 'THIRD-PARTY-LICENCES.txt', 'sbom.cdx.json', 'SHA256SUMS'],
  ]
  for (const name of expected) assert.ok(files.has(`${NAME}/${name}`), name)
  assert.doesNotMatch(listed, /\.conf\.json$|node_modules|__pycache__/m)
  execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: unpacked })
  for (const name of PROGRAMS) {
    const { stdout } = spawnSync(join(unpacked, 'bin', name), ['--version'], { env: NO_PATH, encoding: 'utf8' })
    assert.equal(stdout, '1.0.0\n')
  }
})

test('the bill of materials names what is in each service, and the licence of each is there', async () => {
  const sbom = asRecord(JSON.parse(await readFile(join(unpacked, 'sbom.cdx.json'), 'utf8')), 'SBOM')
  const licences = await readFile(join(unpacked, 'THIRD-PARTY-LICENCES.txt'), 'utf8')
  const components = list(sbom.components)
  const refs = components.map(component => at(component, 'bom-ref'))
  assert.equal(new Set(refs).size, refs.length)
  const dependsOn = (ref: string) =>
    list(
      at(
        list(sbom.dependencies).find(each => at(each, 'ref') === ref),
        'dependsOn',
      ),
    )
  for (const service of PROGRAMS) {
    const own = new Set(dependsOn(service))
    for (const ref of own) assert.ok(refs.includes(ref), `${ref} of ${service}`)
    // What the packages of a service name is in it, with the version of the lock file.
    for (const name of bundled(service)) {
      const version = at(readJson('package-lock.json'), 'packages', `node_modules/${name}`, 'version')
      assert.ok(own.has(`pkg:npm/${name.replace('@', '%40')}@${version}`), `${name} ${version} of ${service}`)
      assert.match(licences, new RegExp(`^={80}\n${name} ${version} \\(`, 'm'))
    }
  }
  const node = at(
    components.find(component => at(component, 'name') === 'node'),
    'version',
  )
  assert.equal(
    node,
    at(readJson('scripts/node/package.json'), 'optionalDependencies', `node-${process.platform}-${process.arch}`),
  )
  assert.match(licences, new RegExp(`^Node.js ${node}$`, 'm'))
})

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : assert.fail('no list')
}

/** The libraries that a service itself says it uses. */
function bundled(service: string): string[] {
  const { dependencies } = readJson(`services/${service}/package.json`)
  return Object.keys(asRecord(dependencies, service)).filter(name => !name.startsWith('@cuckoo-distributed/'))
}

test('the same sources make the same release, whatever the machine is set to', async () => {
  const first = join(folder, 'first', `${NAME}.tar.gz`)
  const digests = [first, await again].map(archive => readFile(`${archive}.sha256`, 'utf8'))
  assert.equal(await digests[1], await digests[0])
})

test('where the Node for the programs cannot be had, one sentence says so', async () => {
  const cache = join(folder, 'cache')
  const env = {
    ...process.env,
    npm_config_registry: 'http://127.0.0.1:1',
    npm_config_cache: cache,
    npm_config_fetch_retries: '0',
  }
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'build:binaries'], {
    cwd: root,
    env,
    encoding: 'utf8',
  })
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(
    stderr,
    /^node-\S+ 26\.\d+\.\d+ cannot be had from npm's registry: .*; with a Node 26 of your own: node \S+\n$/,
  )
})

test('no lock file holds the address of a registry', async () => {
  const locks = (await filesIn('.')).filter(file => file.endsWith('package-lock.json'))
  assert.deepEqual(locks, ['package-lock.json', 'scripts/node/package-lock.json'])
  for (const lock of locks) assert.doesNotMatch(read(lock), /"resolved": "http/)
})
