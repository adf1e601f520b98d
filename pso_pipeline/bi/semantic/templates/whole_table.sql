SELECT * FROM {{ source('pso_bi', '$table') }}
