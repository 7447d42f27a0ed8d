"""Every mutation of Dagster 1.13.27, with arguments that it takes: what a reader's key is tried on.

RUN, BACKFILL and SENSOR stand for ids of what is there.
"""

from __future__ import annotations

_PLACE = 'repositoryName: "__repository__", repositoryLocationName: "spine_assets"'
_JOB = f'{{selector: {{{_PLACE}, jobName: "example_hello"}}}}'
_SET = f'{{partitionSetName: "otc_weekly_partition_set", repositorySelector: {{{_PLACE}}}}}'
_SENSOR = f'{{{_PLACE}, sensorName: "otc_landing"}}'
_SCHEDULE = f'{{{_PLACE}, scheduleName: "otc_ingest_check"}}'
_RUN_IDS = '(runIds: ["RUN"])'
_SAID = "__typename ... on Error { message }"
_KIND = f"{{ {_SAID} }}"
_ENDED = f"{{ {_SAID} ... on TerminateRunFailure {{ message }} }}"
_AGAIN = '(reexecutionParams: {parentRunId: "RUN", strategy: ALL_STEPS})'
_EVENT = 'assetKey: {path: ["otc_raw"]}, partitionKeys: ["2025-11-21"]'

REFUSED = {
    "launchRun": f"(executionParams: {_JOB}) {_KIND}",
    "launchPipelineExecution": f"(executionParams: {_JOB}) {_KIND}",
    "launchMultipleRuns": f"(executionParamsList: [{_JOB}]) {{ ... on LaunchMultipleRunsResult "
    f"{{ launchMultipleRunsResult {_KIND} }} }}",
    "launchRunReexecution": f"{_AGAIN} {_KIND}",
    "launchPipelineReexecution": f"{_AGAIN} {_KIND}",
    "launchPartitionBackfill": f"(backfillParams: {{selector: {_SET}, partitionNames: "
    f'["2025-11-21"]}}) {_KIND}',
    "resumePartitionBackfill": f'(backfillId: "BACKFILL") {_KIND}',
    "reexecutePartitionBackfill": '(reexecutionParams: {parentRunId: "BACKFILL", strategy: '
    f"ALL_STEPS}}) {_KIND}",
    "cancelPartitionBackfill": f'(backfillId: "BACKFILL") {_KIND}',
    "terminateRun": f'(runId: "RUN") {_ENDED}',
    "terminatePipelineExecution": f'(runId: "RUN") {_ENDED}',
    "terminateRuns": f"{_RUN_IDS} {{ ... on TerminateRunsResult {{ terminateRunResults "
    f"{_ENDED} }} }}",
    "deleteRun": f'(runId: "RUN") {_KIND}',
    "deletePipelineRun": f'(runId: "RUN") {_KIND}',
    "startSensor": f"(sensorSelector: {_SENSOR}) {_KIND}",
    "stopSensor": f'(id: "SENSOR") {_KIND}',
    "resetSensor": f"(sensorSelector: {_SENSOR}) {_KIND}",
    "setSensorCursor": f'(sensorSelector: {_SENSOR}, cursor: "x") {_KIND}',
    "sensorDryRun": f'(selectorData: {_SENSOR}, cursor: "") {_KIND}',
    "startSchedule": f"(scheduleSelector: {_SCHEDULE}) {_KIND}",
    "stopRunningSchedule": f'(id: "SCHEDULE") {_KIND}',
    "resetSchedule": f"(scheduleSelector: {_SCHEDULE}) {_KIND}",
    "scheduleDryRun": f"(selectorData: {_SCHEDULE}, timestamp: 1763683200) {_KIND}",
    "reloadRepositoryLocation": f'(repositoryLocationName: "spine_assets") {_KIND}',
    "reloadWorkspace": f" {_KIND}",
    "shutdownRepositoryLocation": f'(repositoryLocationName: "spine_assets") {_KIND}',
    "wipeAssets": f'(assetPartitionRanges: [{{assetKey: {{path: ["otc_raw"]}}}}]) {_KIND}',
    "reportRunlessAssetEvents": f"(eventParams: {{eventType: ASSET_MATERIALIZATION, {_EVENT}}}) "
    f"{_KIND}",
    "reportAssetCheckEvaluations": f'(eventParams: {{{_EVENT}, checkName: "schema", '
    f"passed: true}}) {_KIND}",
    "addDynamicPartition": f'(repositorySelector: {{{_PLACE}}}, partitionsDefName: "x", '
    f'partitionKey: "y") {_KIND}',
    "deleteDynamicPartitions": f'(repositorySelector: {{{_PLACE}}}, partitionsDefName: "x", '
    f'partitionKeys: ["y"]) {_KIND}',
    "setAutoMaterializePaused": "(paused: true)",
    "setConcurrencyLimit": '(concurrencyKey: "x", limit: 1)',
    "deleteConcurrencyLimit": '(concurrencyKey: "x")',
    "freeConcurrencySlots": '(runId: "RUN")',
    "freeConcurrencySlotsForRun": '(runId: "RUN")',
    "setAppManagedComponent": '(locationName: "spine_assets", componentId: "x", '
    f'componentType: "x", attributes: "{{}}") {_KIND}',
    "deleteAppManagedComponent": f'(locationName: "spine_assets", componentId: "x") {_KIND}',
    "refreshComponentState": f'(locationName: "spine_assets", defsStateKey: "x") {_KIND}',
}
"""What a read-only server refuses."""
ALLOWED = {
    "logTelemetry": f'(action: "a", clientTime: "1", clientId: "x", metadata: "{{}}") {_KIND}',
    "setNuxSeen": "",
}
"""What it does all the same; docs/from-outside.md says what that is."""
