python3 -m mcpgateway.reverse_proxy --config reverse-proxy.yaml
