{{- define "kopfka.fullname" -}}
{{- if contains "kopfka" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-kopfka" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "kopfka.selector" -}}
app.kubernetes.io/name: kopfka-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kopfka.labels" -}}
{{ include "kopfka.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: kopfka
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "kopfka.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "kopfka.fullname" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "kopfka.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
