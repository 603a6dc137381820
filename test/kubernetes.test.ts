import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '@cuckoo-distributed/core'
import { parse, parseAllDocuments } from 'yaml'
import { problemsOf, typeOf } from './manifest-types.js'
import { at, filesIn, PIPELINE, read, root, schemaOf } from './project.js'

const FOLDER = 'deploy/kubernetes'
const files = (await filesIn(FOLDER)).filter(path => path.endsWith('.yaml'))
const POD_TEMPLATE = typeOf('v1', 'PodTemplateSpec')
const kustomization = parsed(`${FOLDER}/kustomization.yaml`)
const pod = at(parsed(`${FOLDER}/pod.yaml`), 'spec', 'template', 'spec')
const workloads = list(at(kustomization, 'resources'))
  .flatMap(name => documentsOf(`${FOLDER}/${String(name)}`))
  .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')

test('every manifest is well-formed, has a kind, and is named by a kustomization', () => {
  const kustomizations = files.filter(path => path.endsWith('/kustomization.yaml'))
  const named = kustomizations.flatMap(path => {
    const { resources, patches } = Object(parsed(path))
    const paths = [...list(resources), ...list(patches).map(patch => at(patch, 'path'))]
    return paths.filter(name => typeof name === 'string').map(name => join(dirname(path), name))
  })
  assert.deepEqual([...kustomizations, ...named].sort(), files)
  for (const path of files) for (const { kind } of documentsOf(path)) assert.equal(typeof kind, 'string', path)
})

test('every manifest has the keys that the schema of its kind has, and no other', async () => {
  const manifests = files.flatMap(path =>
    documentsOf(path).map(({ kind, value }, place) => ({
      name: `${path.slice(FOLDER.length + 1).replaceAll('/', '-')}-${place}`,
      // The patch is none of them alone: only its template is one.
      type: path.endsWith('/pod.yaml')
        ? `{ [key: string]: unknown, spec: { template: ${POD_TEMPLATE} } }`
        : typeOf(String(at(value, 'apiVersion')), String(kind)),
      value,
    })),
  )
  const template = { spec: { containers: [{ name: 'service', readinesProbe: { httpGet: { path: '/', port: 1 } } }] } }
  const problems = await problemsOf([...manifests, { name: 'misspelt', type: POD_TEMPLATE, value: template }])
  assert.match(problems.join('\n'), /^misspelt\.ts.*"readinesProbe".*$/)
})

test('each service of the pipeline is there, with an image of its own and a limit for its memory', () => {
  const images = workloads.map(({ value }) => at(container(value), 'image'))
  assert.deepEqual(images.toSorted(), [...PIPELINE].sort())
  assert.deepEqual(
    list(at(kustomization, 'images')).map(image => at(image, 'name')),
    PIPELINE,
  )
  for (const { value } of workloads) assert.match(String(at(container(value), 'resources', 'limits', 'memory')), /i$/)
})

test('selectors, labels, volumes and the budget of each workload fit together', () => {
  const labelled = workloads.map(({ value }) => {
    const labels = at(value, 'spec', 'template', 'metadata', 'labels')
    assert.deepEqual(at(value, 'spec', 'selector', 'matchLabels'), labels)
    const spec = at(value, 'spec', 'template', 'spec')
    const claims = list(at(value, 'spec', 'volumeClaimTemplates')).map(claim => at(claim, 'metadata', 'name'))
    const volumes = [...list(at(spec, 'volumes')), ...list(at(pod, 'volumes'))].map(volume => at(volume, 'name'))
    const mounts = [container(value), at(pod, 'containers', '0')].flatMap(each => list(at(each, 'volumeMounts')))
    assert.deepEqual(mounts.map(mount => at(mount, 'name')).sort(), [...claims, ...volumes].sort())
    // Those that are merged must have one name.
    assert.equal(at(container(value), 'name'), at(pod, 'containers', '0', 'name'))
    return JSON.stringify(labels)
  })
  const budgets = files.flatMap(documentsOf).filter(({ kind }) => kind === 'PodDisruptionBudget')
  assert.ok(budgets.length > 0)
  for (const { value } of budgets) {
    assert.ok(labelled.includes(JSON.stringify(at(value, 'spec', 'selector', 'matchLabels'))))
    // With `minAvailable` a node with the only pod could not be drained.
    assert.equal(at(value, 'spec', 'maxUnavailable'), 1)
  }
})

test('pods end after DrainTime, and may do no more than the restricted standard allows', async () => {
  for (const service of PIPELINE) {
    const { default: drainTime } = Object((await schemaOf(service)).properties.DrainTime)
    assert.ok(Number(at(pod, 'terminationGracePeriodSeconds')) >= Number(drainTime) + 10)
  }
  assert.equal(at(pod, 'automountServiceAccountToken'), false)
  const { runAsNonRoot, seccompProfile } = Object(at(pod, 'securityContext'))
  assert.deepEqual({ runAsNonRoot, seccompProfile }, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
  assert.deepEqual(at(pod, 'containers', '0', 'securityContext'), {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  assert.deepEqual(at(kustomization, 'patches'), [{ path: 'pod.yaml', target: { group: 'apps' } }])
})

test('pods are asked for their health where their services listen', async () => {
  const { ports, livenessProbe, readinessProbe } = Object(at(pod, 'containers', '0'))
  const [port] = list(ports)
  for (const service of PIPELINE) {
    assert.equal(at(await configOf(service), 'MetricsListen'), `0.0.0.0:${at(port, 'containerPort')}`)
  }
  const asked = [livenessProbe, readinessProbe].map(probe => at(probe, 'httpGet'))
  assert.deepEqual(
    asked,
    ['/livez', '/readyz'].map(path => ({ path, port: at(port, 'name') })),
  )
})

test('nobody may connect to the pods, and the policy is for all of them', () => {
  const policy = parsed(`${FOLDER}/network-policy.yaml`)
  const [label] = list(at(kustomization, 'labels'))
  assert.deepEqual(at(policy, 'spec', 'podSelector', 'matchLabels'), at(label, 'pairs'))
  assert.equal(at(label, 'includeTemplates'), true)
  assert.deepEqual(at(policy, 'spec', 'policyTypes'), ['Ingress', 'Egress'])
  assert.equal(at(policy, 'spec', 'ingress'), undefined)
})

test('only parse_and_submit is scaled, by all messages of its queue, those in work included', async () => {
  const scaled = files.flatMap(documentsOf).filter(({ kind }) => kind === 'ScaledObject')
  const spec = at(scaled[0]?.value, 'spec')
  assert.equal(scaled.length, 1)
  assert.equal(at(spec, 'scaleTargetRef', 'name'), 'parse-and-submit')
  const { protocol, mode, queueName, excludeUnacknowledged } = Object(at(spec, 'triggers', '0', 'metadata'))
  const { ConsumerQueue } = Object(await configOf('parse_and_submit'))
  assert.deepEqual([protocol, mode, queueName, excludeUnacknowledged], ['http', 'QueueLength', ConsumerQueue, 'false'])
})

test('the configurations load with the secret that docs/operations.md makes, and their directories are volumes', async () => {
  const listed = list(at(kustomization, 'configMapGenerator', '0', 'files')).map(String)
  assert.deepEqual(
    listed,
    PIPELINE.map(service => `config/${service}.conf.json`),
  )
  for (const service of PIPELINE) {
    const { TmpDir, DumpDir } = Object(await configOf(service))
    const workload = workloads.find(({ value }) => at(container(value), 'image') === service)
    const mounts = list(at(container(workload?.value), 'volumeMounts')).map(mount => String(at(mount, 'mountPath')))
    // A directory of the overseer's own inside of the volume: the volume itself is open to its group.
    assert.deepEqual(mounts, [TmpDir, DumpDir && dirname(DumpDir)].filter(Boolean))
  }
})

async function configOf(service: string): Promise<unknown> {
  const [, command = ''] = /create secret generic cuckoo-distributed(.*?)```/s.exec(read('docs/operations.md')) ?? []
  const secret = [...command.matchAll(/--from-literal=(\w+)=/g)].map(([, name = '']) => [name, 'x'])
  return await loadConfig(
    join(root, FOLDER, 'config', `${service}.conf.json`),
    await schemaOf(service),
    Object.fromEntries(secret),
  )
}

function parsed(path: string): unknown {
  return parse(read(path))
}

interface Manifest {
  readonly kind: unknown
  readonly value: unknown
}

function documentsOf(path: string): Manifest[] {
  return [...parseAllDocuments(read(path))].map(document => {
    assert.deepEqual([...document.errors, ...document.warnings], [], path)
    const value: unknown = document.toJS()
    return { kind: at(value, 'kind'), value }
  })
}

function container(workload: unknown): unknown {
  return at(workload, 'spec', 'template', 'spec', 'containers', '0')
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
