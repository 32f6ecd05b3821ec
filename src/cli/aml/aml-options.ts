/** The options of `submit aml`, `publish aml` and `invoke aml`, in groups. */
import type { Argv } from 'yargs';
import { DEFAULT_SIZES } from '../../cloud/gpu-sizes.js';
import { loggingOptions } from '../parsing/common-options.js';

/** A cluster keeps its priority and size, so each kind has a cluster of its own. */
export const CLUSTERS = { gpu: 'gpu-cluster', cpu: 'cpu-cluster', lowPriority: '-low' } as const;

export const AZURE = 'Azure:';
const CLUSTER_GROUP = 'Cluster:';

export function modelAndWork<T>(parser: Argv<T>) {
  return parser
    .option('model', {
      type: 'string',
      default: 'wave',
      describe: 'a style, a blend, or the https address of an ONNX file',
    })
    .option('work-dir', {
      type: 'string',
      describe: 'https address of the folder for the journal',
    })
    .option('journals', {
      type: 'string',
      describe: "place of journals, as --work-dir is of one; default: the workspace's storage account",
    });
}

export function targetOptions<T>(parser: Argv<T>) {
  const group = CLUSTER_GROUP;
  return parser
    .option('nodes', { type: 'number', default: 1, group, describe: 'nodes for the job' })
    .option('gpus-per-node', {
      type: 'number',
      default: 1,
      group,
      describe: 'GPUs per node, a rank each; 0 for one rank on the CPU',
    })
    .option('low-priority', {
      type: 'boolean',
      default: false,
      group,
      describe: 'cheaper nodes that may be taken away; the job then resumes',
    })
    .option('compute', {
      type: 'string',
      group,
      describe: `name of the cluster; default ${CLUSTERS.gpu} or ${CLUSTERS.cpu}, with --low-priority ${CLUSTERS.gpu}${CLUSTERS.lowPriority} ...`,
    });
}

export function provisionOptions<T>(parser: Argv<T>) {
  const group = 'Set-up:';
  return parser
    .option('provision', {
      type: 'boolean',
      default: false,
      group,
      describe: 'make or update what is missing: environment, component, cluster',
    })
    .option('image', {
      type: 'string',
      group,
      describe: 'with --provision: the image, REGISTRY.azurecr.io/framescatter:TAG',
    })
    .option('vm-size', {
      type: 'string',
      group,
      describe: `with --provision: VM size of the nodes; default ${DEFAULT_SIZES.one}`,
    })
    .option('subnet', { type: 'string', group, describe: 'with --provision: resource id of their subnet' })
    .option('identity', {
      type: 'string',
      group,
      describe: 'with --provision: resource id of their identity',
    })
    .option('application-insights', {
      type: 'boolean',
      default: false,
      group,
      describe: "with --provision: jobs send telemetry to the workspace's Application Insights",
    });
}

export function azureOptions<T>(parser: Argv<T>) {
  const group = AZURE;
  return parser
    .option('subscription', { type: 'string', group, describe: 'id of the subscription' })
    .option('resource-group', { type: 'string', group, describe: 'name of the resource group' })
    .option('workspace', { type: 'string', group, describe: 'name of the Azure ML workspace' });
}

export function endpointOption<T>(parser: Argv<T>) {
  return parser.option('endpoint', { type: 'string', group: AZURE, describe: 'name of the batch endpoint' });
}

export function dryRunAndLogging<T>(parser: Argv<T>) {
  return loggingOptions(
    parser.option('dry-run', {
      type: 'boolean',
      default: false,
      describe: 'print the requests as JSON and send none',
    }),
    'Options:',
  );
}
