{{/*
The table of services: module, kind, ports and secrets of each. `SLUICE_…` settings that follow from it are the chart's;
all others come from `settings` and `services.<name>.settings`.
*/}}
{{- define "sluice.table" -}}
api:
  module: sluice_api.entrypoints.http
  kind: Deployment
  ports: {http: {port: 8080}}
  secrets: [mongodb, accessTokenKeys, sealingKeys, adminPassword, bootstrapAppSecret]
relay:
  module: sluice_api.entrypoints.relay
  kind: Deployment
  secrets: [mongodb]
projector:
  module: sluice_api.entrypoints.projector
  kind: Deployment
  secrets: [mongodb]
notifier:
  module: sluice_api.entrypoints.notifier
  kind: Deployment
  secrets: [mongodb, sealingKeys]
signing:
  module: sluice_signing.entrypoints.service
  kind: Deployment
  secrets: [mongodb]
scheduler-devices:
  module: sluice_scheduler.entrypoints.devices
  kind: StatefulSet
  secrets: []
scheduler-cells:
  module: sluice_scheduler.entrypoints.cells
  kind: StatefulSet
  secrets: []
lwm2m-gateway:
  module: sluice_lwm2m.entrypoints.gateway
  kind: StatefulSet
  ports: {coap: {port: 5683, protocol: UDP}}
  secrets: [mongodb, imageTokenKeys]
mqtt-gateway:
  module: sluice_mqtt.entrypoints.gateway
  kind: StatefulSet
  ports: {downloads: {port: 8081}, hooks: {port: 8080}}
  secrets: [mongodb, downloadTokenKeys, sealingKeys, mqttPassword, mqttHookSecret]
{{- end -}}

{{/* The setting that each secret is. */}}
{{- define "sluice.secret-settings" -}}
mongodb: SLUICE_MONGODB_URI
accessTokenKeys: SLUICE_ACCESS_TOKEN_KEYS
imageTokenKeys: SLUICE_IMAGE_TOKEN_KEYS
downloadTokenKeys: SLUICE_DOWNLOAD_TOKEN_KEYS
sealingKeys: SLUICE_SEALING_KEYS
adminPassword: SLUICE_ADMIN_PASSWORD
bootstrapAppSecret: SLUICE_BOOTSTRAP_APP_SECRET
mqttPassword: SLUICE_MQTT_PASSWORD
mqttHookSecret: SLUICE_MQTT_HOOK_SECRET
{{- end -}}

{{/* What the chart itself sets. */}}
{{- define "sluice.own-settings" -}}
{{- $values := .root.Values -}}
kafka_bootstrap: {{ required "kafka.bootstrap is required" $values.kafka.bootstrap | quote }}
mongodb_database: {{ $values.mongodb.database | quote }}
metrics_host: "0.0.0.0"
metrics_port: "9464"
{{- if eq .name "api" }}
api_host: "0.0.0.0"
api_port: "8080"
{{- else if eq .name "signing" }}
signing_work_folder: /work
{{- else if eq .name "scheduler-devices" }}
devices_data_dir: /data/records
{{- else if eq .name "lwm2m-gateway" }}
lwm2m_host: "0.0.0.0"
lwm2m_port: "5683"
lwm2m_public_uri: {{ required "publicAddresses.lwm2m is required" $values.publicAddresses.lwm2m | quote }}
{{- else if eq .name "mqtt-gateway" }}
mqtt_url: {{ required "mqtt.url is required" $values.mqtt.url | quote }}
mqtt_hook_host: "0.0.0.0"
mqtt_hook_port: "8080"
download_host: "0.0.0.0"
download_port: "8081"
download_public_url: {{ required "publicAddresses.downloads is required" $values.publicAddresses.downloads | quote }}
{{- end }}
{{- end -}}

{{/* All settings of a service that are no secrets, as the data of a ConfigMap. */}}
{{- define "sluice.environment" -}}
{{- $own := include "sluice.own-settings" . | fromYaml -}}
{{- $service := index .root.Values.services .name -}}
{{- range $setting, $value := mergeOverwrite (deepCopy .root.Values.settings) (deepCopy $service.settings) $own }}
SLUICE_{{ upper $setting }}: {{ include "sluice.text" $value | quote }}
{{- end }}
{{- range $variable, $value := .root.Values.environment }}
{{ $variable }}: {{ include "sluice.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* A value as services read it: YAML's numbers are floats here, and 268435456 must not become 2.68435456e+08. */}}
{{- define "sluice.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{- printf "%.0f" . -}}{{- else -}}{{- printf "%v" . -}}{{- end -}}
{{- end -}}

{{/* The secrets of a service as environment variables; those without a name are left out. */}}
{{- define "sluice.secrets" -}}
{{- $service := index .root.Values.services .name -}}
{{- $settings := include "sluice.secret-settings" . | fromYaml -}}
{{- range $secret := (index (include "sluice.table" . | fromYaml) .name).secrets }}
{{- $from := default (index $.root.Values.secrets $secret) (index $service.secrets $secret) -}}
{{- if $from.name }}
- name: {{ index $settings $secret }}
  valueFrom: {secretKeyRef: {name: {{ $from.name }}, key: {{ $from.key }}}}
{{- end }}
{{- end }}
{{- end -}}
