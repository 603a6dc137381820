import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'
import { asRecord, filesIn, read, readJson } from './project.js'

const SCOPE = '@cuckoo-distributed/'

/** What each package and each service imports, no more and no less. The arrows run one way: see docs/architecture.md. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'packages/wait': [],
  'packages/json-scanner': [],
  'packages/testing': [],
  'packages/demo': ['testing'],
  'packages/staging': ['wait'],
  'packages/archive': ['staging'],
  'packages/report-scanner': ['json-scanner', 'wait'],
  'packages/http': ['json-scanner', 'wait'],
  'packages/sandbox-client': ['http', 'wait'],
  'packages/crits-client': ['archive', 'http', 'json-scanner', 'staging', 'wait'],
  'packages/core': ['wait'],
  'packages/page': ['core'],
  'services/feed_cuckoo': ['core', 'crits-client', 'http', 'json-scanner', 'sandbox-client', 'staging', 'wait'],
  'services/check_results': ['core', 'http', 'sandbox-client', 'wait'],
  'services/parse_and_submit': [
    'archive',
    'core',
    'crits-client',
    'http',
    'report-scanner',
    'sandbox-client',
    'staging',
    'wait',
  ],
  'services/overseer': ['core', 'crits-client', 'http', 'json-scanner', 'page', 'staging', 'wait'],
  'services/distributed_cuckoo': [
    'core',
    'http',
    'json-scanner',
    'page',
    'report-scanner',
    'sandbox-client',
    'staging',
    'wait',
  ],
}

interface Project {
  readonly folder: string
  readonly name: string
  readonly dependencies: readonly string[]
  readonly devDependencies: readonly string[]
  readonly sources: readonly string[]
}

const files = await filesIn('.')
const projects = files.filter(path => /^(packages|services)\/[^/]+\/package\.json$/.test(path)).map(readProject)

/** The sources of packages and services but those that are for tests and for show. */
const productSources = projects
  .filter(({ name }) => name !== `${SCOPE}testing` && name !== `${SCOPE}demo`)
  .flatMap(({ folder, sources }) => sources.filter(path => path.startsWith(`${folder}/src/`)))

test('the project references of each package are its workspace dependencies', () => {
  for (const { folder, dependencies, devDependencies } of projects) {
    const needed = [...dependencies, ...devDependencies].filter(isOurs).map(folderOf)
    const { references = [] } = readJson(`${folder}/tsconfig.json`)
    assert.ok(Array.isArray(references))
    const referred = references.map(reference => posix.join(folder, String(asRecord(reference, folder).path)))
    assert.deepEqual(referred.sort(), needed.sort(), folder)
  }
})

test('tsc builds every package and every service', () => {
  const { references = [] } = readJson('tsconfig.json')
  assert.ok(Array.isArray(references))
  const built = references.map(reference => asRecord(reference, 'tsconfig.json').path)
  // What runs in browsers knows a document, and no Node.
  const browsers = files
    .filter(path => /^(packages|services)\/.*\/src\/.*tsconfig\.json$/.test(path))
    .map(posix.dirname)
  assert.deepEqual(built.sort(), [...projects.map(({ folder }) => folder), ...browsers, 'test', 'bench'].sort())
})

test('the arrows between packages are those that are drawn, and run one way', () => {
  const drawn = projects.map(({ folder, dependencies }) => {
    const ours = dependencies.filter(isOurs).map(dependency => dependency.slice(SCOPE.length))
    return [folder, ours.sort()]
  })
  assert.deepEqual(Object.fromEntries(drawn.sort()), Object.fromEntries(Object.entries(ARROWS).sort()))
  assert.deepEqual(circlesIn(new Map(Object.entries(ARROWS).map(([name, to]) => [posix.basename(name), to]))), [])
  for (const { devDependencies, name } of projects) {
    const others = devDependencies.filter(isOurs).filter(dependency => dependency !== `${SCOPE}testing`)
    assert.deepEqual(others, [], name)
  }
})

test('no file imports itself by way of others', () => {
  const code = projects
    .flatMap(({ sources }) => sources)
    .concat(files.filter(path => /^(test|bench)\/.*\.ts$/.test(path)))
  const imports = new Map(
    code.map(path => {
      const local = importsOf(path).filter(specifier => specifier.startsWith('.'))
      return [path, local.map(to => posix.join(posix.dirname(path), to).replace(/\.js$/, '.ts'))]
    }),
  )
  assert.deepEqual(circlesIn(imports), [])
})

test('code imports what its package declares, by name and not by path', () => {
  for (const project of projects) {
    for (const path of project.sources) {
      const tested = !path.startsWith(`${project.folder}/src/`)
      const declared = [...project.dependencies, ...(tested ? project.devDependencies : []), project.name]
      const wrong = importsOf(path).filter(specifier => {
        if (specifier.startsWith('node:')) return false
        if (specifier.startsWith('.'))
          return !posix.join(posix.dirname(path), specifier).startsWith(`${project.folder}/`)
        return (isOurs(specifier) || !tested) && !declared.includes(packageOf(specifier))
      })
      assert.deepEqual(wrong, [], path)
    }
  }
})

test('messages are acknowledged and given back in one place only', () => {
  const places = productSources.filter(path => /\.(n?ack|ackAll|nackAll)\(|channel\.reject\(/.test(read(path)))
  // Events are no messages of the pipeline.
  const events = 'packages/core/src/broker/event-reader.ts'
  assert.deepEqual(places, ['packages/core/src/broker/delivery.ts', events, 'packages/core/src/broker/settle.ts'])
})

test('the exit code is set in one place only', () => {
  const places = productSources.filter(path => /process\.exit(Code|\()/.test(read(path)))
  assert.deepEqual(places, ['packages/core/src/process.ts'])
})

test('what was thrown is unknown, and is caught as such', () => {
  const typed = files.filter(path => path.endsWith('.ts')).filter(path => /catch \((?!\w+: unknown\))/.test(read(path)))
  assert.deepEqual(typed, [])
})

test('the text of a log line is constant; what varies has a field of its own', () => {
  const made = /\blog\.(debug|info|warn|error|fatal)\(\s*(\{[^}]*\},\s*|\w+,\s*)?(`|\w+\s*\+)/
  const places = productSources.filter(path => made.test(read(path)))
  assert.deepEqual(places, [])
})

test('what product code opens is disposed of, and there is no other word for it', () => {
  const closing = productSources.filter(path =>
    /^ {2}(async )?((close|destroy|release)\(\): Promise|dispose\(\))/m.test(read(path)),
  )
  assert.deepEqual(closing, [])
})

test('only sandbox-client knows the words of a sandbox; everybody else asks for phases', () => {
  const words =
    /['"`/^(|](recovered|banned|failed_\w*)|\bstatus:? *(===|!==)? *'(pending|running|completed|reported|distributed)'/
  // distributed_cuckoo answers Cuckoo's own API, and CRITs ends an analysis as `completed`.
  const speaks =
    /^(packages\/(sandbox-client|testing|demo|crits-client)|services\/distributed_cuckoo\/src\/cuckoo-api)\//
  const places = projects
    .flatMap(({ folder, sources }) => sources.filter(path => path.startsWith(`${folder}/src/`)))
    .filter(path => !speaks.test(path))
    .filter(path => words.test(read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')))
  assert.deepEqual(places, [])
})

test('source files have at most 250 lines', () => {
  const sources = files.filter(path => /^(packages|services)\/[^/]+\/src\/.*\.ts$|^scripts\/.*\.mjs$/.test(path))
  assert.ok(sources.length > 0)
  const long = sources.filter(path => read(path).trimEnd().split('\n').length > 250)
  assert.deepEqual(long, [])
})

test('nothing names a folder of one machine or a file outside the project', () => {
  const machine = ['home', 'root', 'Users', 'work', 'workspace', 'mnt'].join('|')
  const outside = new RegExp(`(?<![\\w.:/-])/(${machine})/|(^|[^./])(\\.\\./)+(shared|work)/`, 'm')
  const written = files.filter(path => !/\.(png|gz|bz2|bin)$/.test(path))
  assert.deepEqual(
    written.filter(path => outside.test(read(path))),
    [],
  )
})

test('package-lock.json names versions, not download addresses', () => {
  const packages = asRecord(readJson('package-lock.json').packages, 'packages')
  const downloaded = Object.entries(packages).filter(([path, entry]) => {
    return /^(https?|git|ssh)[+:]/.test(String(asRecord(entry, path).resolved ?? ''))
  })
  assert.ok(Object.keys(packages).length > 0)
  assert.deepEqual(downloaded, [])
})

function readProject(path: string): Project {
  const folder = posix.dirname(path)
  const manifest = readJson(path)
  const names = (key: string) => Object.keys(asRecord(manifest[key] ?? {}, key))
  return {
    folder,
    name: String(manifest.name),
    dependencies: names('dependencies'),
    devDependencies: names('devDependencies'),
    sources: files.filter(file => file.startsWith(`${folder}/`) && file.endsWith('.ts')),
  }
}

function isOurs(dependency: string): boolean {
  return dependency.startsWith(SCOPE)
}

function folderOf(name: string): string {
  const folder = projects.find(project => project.name === name)?.folder
  assert.ok(folder, `there is no package ${name}`)
  return folder
}

/** `@scope/name/inner/file.js` and `name/inner/file.js` without what is inside the package. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function importsOf(path: string): string[] {
  const code = read(path)
  const found = code.matchAll(/^(?:import|export|\})[^'\n]*?\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm)
  return [...found].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '')
}

/** Each circle once, as the names on the way round. */
function circlesIn(arrows: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = []
  const finished = new Set<string>()
  const follow = (name: string, way: readonly string[]): void => {
    const at = way.indexOf(name)
    if (at >= 0) circles.push([...way.slice(at), name].join(' → '))
    if (at >= 0 || finished.has(name)) return
    for (const next of arrows.get(name) ?? []) follow(next, [...way, name])
    finished.add(name)
  }
  for (const name of arrows.keys()) follow(name, [])
  return circles
}
