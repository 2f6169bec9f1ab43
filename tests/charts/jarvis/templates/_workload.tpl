{{- /* One component: a Deployment, and an HPA where autoscaling is on. The count is rendered only where no HPA owns it. */ -}}
{{- define "jarvis.workload" -}}
{{- $fullname := printf "%s-%s" .root.Release.Name .name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $fullname }}
spec:
  {{- if not .values.autoscaling.enabled }}
  replicas: {{ .values.replicaCount }}
  {{- end }}
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ $fullname }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {{ $fullname }}
    spec:
      containers:
        - name: {{ $fullname }}
          image: {{ .root.Values.image }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
{{- if .values.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $fullname }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ $fullname }}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .values.autoscaling.targetCPUUtilizationPercentage }}
{{- end }}
{{- end }}
