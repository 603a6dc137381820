/** Of kustomize and KEDA what deploy/kubernetes uses: there is no package that has their types only. */
import type { ObjectMeta } from 'kubernetes-types/meta/v1.js'

interface Patch {
  readonly path?: string
  readonly patch?: string
  readonly target?: Readonly<Partial<Record<'group' | 'version' | 'kind' | 'name' | 'labelSelector', string>>>
}

interface Kustomized {
  readonly resources?: readonly string[]
  readonly components?: readonly string[]
  readonly namespace?: string
  readonly labels?: readonly {
    readonly pairs: Readonly<Record<string, string>>
    readonly includeTemplates?: boolean
    readonly includeSelectors?: boolean
  }[]
  readonly configMapGenerator?: readonly { readonly name: string; readonly files?: readonly string[] }[]
  readonly images?: readonly {
    readonly name: string
    readonly newName?: string
    readonly newTag?: string
    readonly digest?: string
  }[]
  readonly patches?: readonly Patch[]
}

export interface Kustomization extends Kustomized {
  readonly apiVersion: 'kustomize.config.k8s.io/v1beta1'
  readonly kind: 'Kustomization'
}

export interface Component extends Kustomized {
  readonly apiVersion: 'kustomize.config.k8s.io/v1alpha1'
  readonly kind: 'Component'
}

export interface TriggerAuthentication {
  readonly apiVersion: 'keda.sh/v1alpha1'
  readonly kind: 'TriggerAuthentication'
  readonly metadata: ObjectMeta
  readonly spec: { readonly secretTargetRef: readonly Readonly<Record<'parameter' | 'name' | 'key', string>>[] }
}

export interface ScaledObject {
  readonly apiVersion: 'keda.sh/v1alpha1'
  readonly kind: 'ScaledObject'
  readonly metadata: ObjectMeta
  readonly spec: {
    readonly scaleTargetRef: { readonly apiVersion?: string; readonly kind?: string; readonly name: string }
    readonly pollingInterval?: number
    readonly cooldownPeriod?: number
    readonly minReplicaCount?: number
    readonly maxReplicaCount?: number
    readonly triggers: readonly {
      readonly type: string
      /** Whatever they are, KEDA takes them as texts. */
      readonly metadata: Readonly<Record<string, string>>
      readonly authenticationRef?: { readonly name: string }
    }[]
  }
}
