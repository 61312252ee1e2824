{{/* The pod of a service: (dict "root" $ "name" "api"). */}}
{{- define "sluice.pod" -}}
{{- $root := .root -}}
{{- $service := index $root.Values.services .name -}}
{{- $facts := index (include "sluice.table" . | fromYaml) .name -}}
metadata:
  labels: {{- include "sluice.labels" . | nindent 4 }}
  annotations:
    checksum/settings: {{ include "sluice.environment" . | sha256sum }}
    {{- with $service.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "sluice.fullname" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $service.terminationGracePeriodSeconds }}
  {{- include "sluice.pod-security" . | nindent 2 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets: {{- range . }}
    - name: {{ . }}
  {{- end }}{{ end }}
  {{- with $service.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.topologySpread.keys }}
  topologySpreadConstraints: {{- range . }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "sluice.selector" $ | nindent 10 }}
  {{- end }}{{ end }}
  containers:
    - name: {{ .name }}
      image: {{ include "sluice.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [python, -m, {{ $facts.module }}]
      envFrom:
        - configMapRef: {name: {{ include "sluice.fullname" $root }}-{{ .name }}}
      env:
        {{- if eq .name "lwm2m-gateway" }}
        - name: SLUICE_LWM2M_ORDINAL
          valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
        {{- end }}
        {{- include "sluice.secrets" . | nindent 8 }}
      ports:
        - {name: metrics, containerPort: 9464}
        {{- range $port, $where := $facts.ports }}
        - {name: {{ $port }}, containerPort: {{ $where.port }}, protocol: {{ default "TCP" $where.protocol }}}
        {{- end }}
      # Reading what Kafka keeps may take minutes; until it is done nothing is wrong with a process that is alive.
      startupProbe:
        httpGet: {path: /live, port: metrics}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 90
      livenessProbe:
        httpGet: {path: /live, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /ready, port: metrics}
        periodSeconds: 3
        timeoutSeconds: 3
      {{- if $facts.ports }}
      # Until everybody who sends here has heard that this pod goes.
      lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
      {{- end }}
      resources: {{- toYaml $service.resources | nindent 8 }}
      {{- include "sluice.container-security" . | nindent 6 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if eq .name "signing" }}
        - {name: work, mountPath: /work}
        {{- end }}
        {{- if $service.persistence }}
        - {name: data, mountPath: /data}
        {{- end }}
        {{- with $service.volumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    {{- if eq .name "signing" }}
    - name: work
      emptyDir: {sizeLimit: {{ $service.workVolumeSize }}}
    {{- end }}
    {{- with $service.volumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end -}}

{{/* What the standard `restricted` of Kubernetes asks for. */}}
{{- define "sluice.pod-security" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "sluice.container-security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}
