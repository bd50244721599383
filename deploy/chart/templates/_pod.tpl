{{/* The variables of Mooring's container. Takes [root, driver]. */}}
{{- define "mooring.env" -}}
{{- $root := index . 0 -}}{{- $driver := index . 1 -}}
{{- $temporal := $root.Values.temporal -}}
- {name: MOORING_DRIVER, value: {{ $driver.name | quote }}}
{{- with $temporal.address }}
- {name: TEMPORAL_ADDRESS, value: {{ . | quote }}}
{{- end }}
{{- with $temporal.namespace }}
- {name: TEMPORAL_NAMESPACE, value: {{ . | quote }}}
{{- end }}
{{- with $temporal.tls }}
{{- if .existingSecret }}
- {name: TEMPORAL_TLS, value: "true"}
{{- if .ca }}
- {name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/temporal-tls/ca.crt}
{{- end }}
{{- if .client }}
- {name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/temporal-tls/tls.crt}
- {name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/temporal-tls/tls.key}
{{- end }}
{{- end }}
{{- with .serverName }}
- {name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- range $name, $value := merge (dict) ($driver.settings | default dict) $root.Values.settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- with $root.Values.controller.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A driver's Deployment, of worker.yaml or csi.yaml. Takes [root, driver]. */}}
{{- define "mooring.deployment" -}}
{{- $root := index . 0 -}}{{- $driver := index . 1 -}}{{- $values := $root.Values -}}{{- $controller := $values.controller -}}
{{- $csi := dig "csi" "enabled" false $driver -}}
{{- $object := include "mooring.base" (list $root (ternary "csi.yaml" "worker.yaml" $csi) "Deployment") | fromYaml -}}
{{- $selector := merge (dict "mooring/driver" $driver.name) (include "mooring.selector" $root | fromYaml) -}}
{{- $labels := merge (dict) $selector (include "mooring.labels" $root | fromYaml) -}}
{{- $name := include "mooring.workload" (list $root $driver.name) -}}
{{- $_ := set $object "metadata" (dict "name" $name "namespace" $root.Release.Namespace "labels" $labels) -}}
{{- $_ := set $object.spec "replicas" $controller.replicaCount -}}
{{- $_ := set $object.spec.selector "matchLabels" $selector -}}
{{- $template := $object.spec.template -}}
{{- $_ := set $template "metadata" (dict "labels" (merge (dict) $labels $controller.podLabels)) -}}
{{- with $controller.podAnnotations }}{{ $_ := set $template.metadata "annotations" . }}{{ end -}}
{{- $pod := $template.spec -}}
{{- $_ := set $pod "serviceAccountName" (include "mooring.account" $root) -}}
{{- $_ := set $pod "priorityClassName" $controller.priorityClassName -}}
{{- range $pod.topologySpreadConstraints }}{{ $_ := set .labelSelector "matchLabels" $selector }}{{ end -}}
{{- with $values.imagePullSecrets }}{{ $_ := set $pod "imagePullSecrets" . }}{{ end -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" -}}
{{- with index $controller $key }}{{ $_ := set $pod $key . }}{{ end -}}
{{- end -}}
{{- $mounts := list -}}{{- $volumes := list -}}
{{- with $values.temporal.tls.existingSecret -}}
{{- $mounts = append $mounts (dict "name" "temporal-tls" "mountPath" "/etc/temporal-tls" "readOnly" true) -}}
{{- $volumes = append $volumes (dict "name" "temporal-tls" "secret" (dict "secretName" .)) -}}
{{- end -}}
{{- $mooring := first $pod.containers -}}
{{- $env := include "mooring.env" . | fromYamlArray -}}
{{- $named := list -}}
{{- range $env }}{{ $named = append $named .name }}{{ end -}}
{{- $base := list -}}
{{- range $mooring.env }}{{ if and (hasPrefix "MOORING_" .name) (not (has .name $named)) }}{{ $base = append $base . }}{{ end }}{{ end -}}
{{- $_ := set $mooring "image" (printf "%s:%s" $values.image.repository ($values.image.tag | default $root.Chart.AppVersion)) -}}
{{- $_ := set $mooring "imagePullPolicy" $values.image.pullPolicy -}}
{{- $_ := set $mooring "env" (concat $base $env) -}}
{{- with $values.temporal.existingSecret }}{{ $_ := set $mooring "envFrom" (list (dict "secretRef" (dict "name" .))) }}{{ end -}}
{{- with $controller.resources }}{{ $_ := set $mooring "resources" . }}{{ end -}}
{{- $_ := set $mooring "volumeMounts" (concat $mooring.volumeMounts $mounts $controller.volumeMounts) -}}
{{- $_ := set $pod "volumes" (concat $pod.volumes $volumes $controller.volumes (dig "csi" "volumes" list $driver)) -}}
{{- if $csi -}}
{{- $attacher := index $pod.containers 1 -}}
{{- with $values.sidecars.attacher -}}
{{- $_ := set $attacher "image" (printf "%s:%s" .image.repository .image.tag) -}}
{{- $_ := set $attacher "imagePullPolicy" .image.pullPolicy -}}
{{- $_ := set $attacher "args" (concat $attacher.args .additionalArgs) -}}
{{- with .resources }}{{ $_ := set $attacher "resources" . }}{{ end -}}
{{- end -}}
{{- $theirs := index $pod.containers 2 -}}
{{- $sockets := $theirs.volumeMounts -}}
{{- $theirs = mergeOverwrite $theirs $driver.csi.driver -}}
{{- $_ := set $theirs "volumeMounts" (concat $sockets (dig "csi" "driver" "volumeMounts" list $driver)) -}}
{{- $_ := set $pod "containers" (concat (list $mooring $attacher $theirs) (dig "csi" "sidecars" list $driver)) -}}
{{- end -}}
{{ toYaml $object }}
{{- end }}
