export REVERSE_PROXY_GATEWAY=https://gateway.example.com
export REVERSE_PROXY_TOKEN=$(python3 -m mcpgateway.utils.create_jwt_token \
    --username admin --exp 10080 --secret your-secret-key)
python3 -m mcpgateway.reverse_proxy \
    --local-stdio "uvx mcp-server-git"
