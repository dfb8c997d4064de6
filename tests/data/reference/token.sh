python3 -m mcpgateway.utils.create_jwt_token \
    --username edge-server-01 \
    --exp 10080 \
    --secret $JWT_SECRET
