-- The headers of every call.
wrk.headers["Authorization"] = "Bearer bench"
wrk.headers["x-api-key"] = "bench"
wrk.headers["x-gw-ims-org-id"] = "bench@AdobeOrg"
wrk.headers["x-sandbox-name"] = "prod"
