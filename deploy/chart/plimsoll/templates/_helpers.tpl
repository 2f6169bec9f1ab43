{{/* The name of everything: the release's, short enough for a CronJob's. */}}
{{- define "plimsoll.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" | trimSuffix "." }}
{{- end }}

{{/* What ends the names of what stands outside the release's namespace: two releases of one name do not meet there. */}}
{{- define "plimsoll.abroad" -}}
.{{ .Release.Namespace }}
{{- end }}

{{/* The name of the loop's Service: the same without dots and with a letter in front, since DNS has it as one label. */}}
{{- define "plimsoll.service" -}}
{{- $name := include "plimsoll.name" . | replace "." "-" }}
{{- printf "%s%s-loop" (regexMatch "^[a-z]" $name | ternary "" "plimsoll-") $name }}
{{- end }}

{{- define "plimsoll.labels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "plimsoll.selector" . }}
{{- end }}

{{- define "plimsoll.selector" -}}
app.kubernetes.io/name: plimsoll
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "plimsoll.claim" -}}
{{ .Values.volume.existingClaim | default (include "plimsoll.name" .) }}
{{- end }}

{{/* The settings as data, refused where a pod could not work by them. */}}
{{- define "plimsoll.settings" -}}
{{- $settings := fromYaml .Values.settings }}
{{- with $settings.Error }}
{{- fail (printf "settings: no YAML: %s; try the file with `plimsoll check`" .) }}
{{- end }}
{{- $store := get ($settings.history | default dict) "store" | clean }}
{{- if and (isAbs $store) (not (hasPrefix "/var/lib/plimsoll/" $store)) | or (hasPrefix ".." $store) }}
{{- fail (printf "settings: `history.store` is %q, which is not on the volume: leave it out, or write `store: .plimsoll/history`" $store) }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* Where the advice may read: {"in": [NAMESPACE, …]}. */}}
{{- define "plimsoll.namespaces" -}}
{{- $own := list }}
{{- range (include "plimsoll.settings" . | fromYaml).services }}
{{- $own = append $own .namespace }}
{{- end }}
{{- dict "in" (.Values.cluster.namespaces | default $own | uniq | sortAlpha) | toYaml }}
{{- end }}
