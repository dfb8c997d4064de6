python3 -m mcpgateway.reverse_proxy \
    --local-stdio "uvx mcp-server-git" \
    --log-level DEBUG
