/** The compiler as the judge of manifests: the types of Kubernetes' packages are made from its API's schemas. */
import { spawnSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './project.js'

export interface TypedManifest {
  /** What problems are told by; a name for a file. */
  readonly name: string
  /** A type as TypeScript writes it. */
  readonly type: string
  readonly value: unknown
}

const KINDS = "import('../../manifest-kinds.js')"

/** The type of what kubectl takes by these two keys. */
export function typeOf(apiVersion: string, kind: string): string {
  const [group = '', version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion]
  const isOfOthers = group.startsWith('kustomize.') || group.startsWith('keda.')
  const module = `import('kubernetes-types/${group.replace('.k8s.io', '')}/${version}.js')`
  return `${isOfOthers ? KINDS : module}.${kind}`
}

/** What is no such type, or has a key that the type has not: the compiler's lines. Empty = all are well. */
export async function problemsOf(manifests: readonly TypedManifest[]): Promise<string[]> {
  const where = join(root, 'test/build/manifests')
  await mkdir(where, { recursive: true })
  try {
    for (const { name, type, value } of manifests) {
      await writeFile(join(where, `${name}.ts`), `export const manifest: ${type} = ${JSON.stringify(value, null, 1)}\n`)
    }
    const options = { noEmit: true, strict: true, module: 'nodenext', target: 'es2023', skipLibCheck: true, types: [] }
    await writeFile(join(where, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '--pretty', 'false', '-p', where], {
      cwd: where,
      encoding: 'utf8',
    })
    const lines = `${stdout}${stderr}`.split('\n').filter(line => line !== '')
    return status === 0 || lines.length > 0 ? lines : [`the compiler ended with ${status}`]
  } finally {
    await rm(where, { recursive: true, force: true })
  }
}
