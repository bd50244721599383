{{/* Every object but a few is read from a file of deploy/kubernetes, which files/ links to, and changed where the values say so. */}}

{{- define "mooring.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "mooring.fullname" -}}
{{- $name := include "mooring.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "mooring.account" -}}
{{ .Values.controller.serviceAccount.name | default (include "mooring.fullname" .) }}
{{- end }}

{{- define "mooring.selector" -}}
app.kubernetes.io/name: {{ include "mooring.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mooring.labels" -}}
{{ include "mooring.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.customLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The name of a driver's Deployment; a long one is cut, and made its own again by a hash. Takes [root, driver's name]. */}}
{{- define "mooring.workload" -}}
{{- $name := printf "%s-%s" (include "mooring.fullname" (index . 0)) (index . 1 | lower | replace "." "-") -}}
{{- if gt (len $name) 55 -}}
{{ printf "%s-%s" ($name | trunc 46 | trimSuffix "-") (index . 1 | sha256sum | trunc 8) }}
{{- else -}}
{{ $name }}
{{- end }}
{{- end }}

{{/* The one object of a kind in a file. Takes [root, file, kind]. */}}
{{- define "mooring.base" -}}
{{- $kind := index . 2 -}}
{{- range splitList "\n---\n" ((index . 0).Files.Get (printf "files/%s" (index . 1))) -}}
{{- $object := fromYaml . -}}
{{- if eq $object.kind $kind -}}
{{ toYaml $object }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* That object under the release's names, in its namespace, for its account. Takes [root, file, kind]. */}}
{{- define "mooring.object" -}}
{{- $root := index . 0 -}}
{{- $fullname := include "mooring.fullname" $root -}}
{{- $object := include "mooring.base" . | fromYaml -}}
{{- $metadata := dict "name" ($object.metadata.name | replace "mooring" $fullname) "labels" (include "mooring.labels" $root | fromYaml) -}}
{{- if $object.metadata.namespace }}{{ $_ := set $metadata "namespace" $root.Release.Namespace }}{{ end -}}
{{- $_ := set $object "metadata" $metadata -}}
{{- if $object.roleRef }}{{ $_ := set $object.roleRef "name" ($object.roleRef.name | replace "mooring" $fullname) }}{{ end -}}
{{- range $object.subjects -}}
{{- if eq .kind "ServiceAccount" -}}
{{- $_ := set . "name" (include "mooring.account" $root) -}}
{{- $_ := set . "namespace" $root.Release.Namespace -}}
{{- end -}}
{{- end -}}
{{ toYaml $object }}
{{- end }}

{{/* "true" if any driver has its Pod with external-attacher. */}}
{{- define "mooring.anyCsi" -}}
{{- range .Values.drivers }}{{ if dig "csi" "enabled" false . }}true{{ break }}{{ end }}{{ end -}}
{{- end }}
